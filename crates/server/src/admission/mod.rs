//! Who may submit what: turns a [`Submission`] into a recorded execution, or refuses it. One order, one place.

mod admit;
mod check;
mod keyring;
mod refusal;
mod submission;

pub use admit::{Accepted, Request, admit, retry};
pub use keyring::{Caller, Keyring, NewKey, Permission, Permissions, new_key};
pub use refusal::Refusal;
pub use submission::{LimitRequest, OnLost, Submission};
