//! Adapters for coding agents, without any I/O: a [`Task`](legwork_model::Task) becomes a [`Launch`], and the bytes
//! that the program prints become events.
//!
//! To add an agent: one file here, one line in [`registry`], and recordings of its real output under `fixtures/`.

mod acp;
pub mod agent;
pub mod claude_code;
pub mod codex;
pub mod copilot;
pub mod cursor;
pub mod custom;
mod ending;
mod environment;
mod fields;
pub mod framing;
pub mod gemini;
mod lenient;
mod lines;
mod mcp;
pub mod opencode;
mod permissions;
pub mod registry;
pub mod risk;
mod session_guard;
mod speech;
mod stderr;

pub use agent::{
    Agent, AgentReport, Capabilities, Credential, Decoded, Dialogue, HttpServer, Launch, ModelEndpoint, Opening, Order,
    Package, PlacedFile, Setup, Stdin,
};
pub use custom::{Custom, CustomAgent};
pub use registry::{Agents, find_agent, known_agents};
pub use session_guard::SessionGuard;
