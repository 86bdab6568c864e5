//! The event log of executions: written durably first, then handed to live readers.

mod barrier;
mod follow;
mod hub;
mod redaction;
mod run_log;
mod tool_uses;

pub use barrier::{Asked, Barrier, NotOnRecord};
pub use follow::follow;
pub use hub::{Hub, Signal, Subscription};
pub use run_log::{Appended, RunLog};
pub(crate) use tool_uses::digest;
