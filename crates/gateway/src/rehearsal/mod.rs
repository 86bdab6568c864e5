//! A scripted model on loopback: the real agent program talks to it as to its vendor's API, so a newcomer sees a whole
//! run without a key, and a test gets the same answers every time.
//!
//! What it answers stands in the prompt, as steps in double square brackets, or in a [`Script`] of rules. A request
//! flows through the modules in this order; only `anthropic`, `openai` and `gemini` know a wire format, so that another
//! API is another folder beside them.

mod server;

mod routes;

mod anthropic;
mod gemini;
mod models;
mod openai;

mod said;

mod stage;

mod directive;
mod script;
mod step;

mod conversation;

mod attempts;
mod reply;
mod tokens;
mod tool;

mod frame;
mod refusal;
mod wire;

#[cfg(test)]
mod tests;

pub use script::{Script, ScriptError};
pub use server::Rehearsal;
