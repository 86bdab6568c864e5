//! The Responses API, which Codex speaks, and Copilot with newer models.

mod created;
mod event;
mod item;
mod request;

pub(super) use self::created::Created;
pub(super) use self::request::Request;
