//! Who may submit what: turns a [`Submission`] into a recorded execution, or refuses it. One order, one place.

mod admit;
mod cancel;
mod check;
mod cli_args;
mod keyring;
mod refusal;
mod submission;

pub use admit::{Accepted, Repeat, Request, admit, retry};
pub use cancel::cancel;
pub use cli_args::{OutputFormat, apply_cli_args};
pub use keyring::{Caller, Keyring, NewKey, Permission, Permissions, new_key};
pub use refusal::Refusal;
pub use submission::{LimitRequest, OnLost, Submission};
