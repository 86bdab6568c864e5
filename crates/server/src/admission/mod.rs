//! Who may submit what: turns a [`Submission`] into a recorded execution, or refuses it. One order, one place.

mod admit;
mod approve;
mod budget;
mod cancel;
mod check;
mod cli_args;
mod judge;
mod keyring;
mod order;
mod refusal;
mod sandbox;
mod secrets;
mod submission;
mod uninterrupted;

pub use admit::{Accepted, Repeat, Request, admit, retry};
pub use approve::{Decision, approve};
pub use budget::{BudgetRequest, put_budget};
pub use cancel::cancel;
pub use cli_args::{OutputFormat, apply_cli_args};
pub use keyring::{Caller, Keyring, NewKey, Permission, Permissions, new_key};
pub use order::{interrupt, message};
pub use refusal::Refusal;
pub use submission::{LimitRequest, OnLost, Submission};
