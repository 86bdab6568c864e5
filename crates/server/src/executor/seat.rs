//! The right to run, which an execution gives back while its agent has nothing to do, and once it has ended.

use futures::future::BoxFuture;

/// The right to run.
pub trait Seat: Send + Sync {
    /// Gives it back.
    fn release(&self);

    /// Waits until there is room again; at once where it was not given back.
    fn take(&self) -> BoxFuture<'_, ()>;
}
