//! The one method that everything here has.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{Call, Error, Output};

/// A call that is under way. Dropping it gives the call up.
pub type Executing<'a> = BoxFuture<'a, Result<Output, Error>>;

/// Runs calls.
///
/// The future ends by a deadline of the executor's own, whatever the other side does. Its errors are of the kinds that
/// [`Error`] has, because breakers and fallbacks act on them. A call that was given up may still run to its end.
pub trait Executor: Send + Sync {
    /// Runs one call and waits for its output.
    fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a>;
}

impl<E: Executor + ?Sized> Executor for Arc<E> {
    fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a> {
        (**self).execute(call)
    }
}
