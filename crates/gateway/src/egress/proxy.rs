//! The proxy that runs reach the outside by.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use super::gate::Gate;
use super::ledger::{Decisions, ledger};
use super::limits::Limits;
use super::policy::Policy;
use super::resolver::Resolver;
use crate::accept::Guard;

/// The proxy that runs reach the outside by. Each run has a listener and a policy of its own.
#[derive(Clone)]
pub struct Egress {
    resolver: Arc<dyn Resolver>,
    limits: Limits,
}

impl Egress {
    /// A proxy that looks hosts up with `resolver`.
    pub fn new(resolver: Arc<dyn Resolver>, limits: Limits) -> Self {
        Self { resolver, limits }
    }

    /// Serves what connects to `listener`, as `policy` allows it, until the guard is dropped. Then the decisions end too.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where the listener can't be served.
    pub fn serve(&self, listener: TcpListener, policy: Arc<Policy>) -> io::Result<(Guard, Decisions)> {
        let (ledger, decisions) = ledger();
        let gate = Arc::new(Gate::new(policy, Arc::clone(&self.resolver), self.limits.clone(), ledger));
        let guard = Guard::serve(listener, move |client| Arc::clone(&gate).converse(client))?;
        Ok((guard, decisions))
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("limits", &self.limits).finish_non_exhaustive()
    }
}
