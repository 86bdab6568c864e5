//! A scripted model on loopback: the real agent program talks to it as to its vendor's API, so a newcomer sees a whole
//! run without a key, and a test gets the same answers every time.
//!
//! What it answers stands in the prompt, as steps in double square brackets, or in a [`Script`] of rules. A request
//! flows through the modules in this order; only `anthropic` knows a wire format, so that another API is another
//! folder beside it.

mod server;

mod anthropic;

mod directive;
mod script;
mod step;

mod conversation;

mod attempts;
mod reply;

#[cfg(test)]
mod tests;

pub use script::{Script, ScriptError};
pub use server::Rehearsal;

use self::attempts::Attempts;

/// What all requests share.
#[derive(Debug)]
struct Stage {
    script: Script,
    attempts: Attempts,
}
