//! Runs that outlive the server: what is left with the supervisor for the next server process, and how that takes a run up.

mod before;
mod history;
mod memo;
mod take_up;

pub use take_up::Survivors;

pub(super) use before::Before;
pub(super) use history::{Retold, compare};
pub(super) use memo::Memo;
pub(super) use take_up::{Resuming, marks};
