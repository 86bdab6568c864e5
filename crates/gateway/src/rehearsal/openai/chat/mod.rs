//! The Chat Completions API, which OpenCode speaks with any compatible provider, and Copilot with older models.

mod completion;
mod request;

pub(super) use self::completion::Completion;
pub(super) use self::request::Request;
