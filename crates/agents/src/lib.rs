//! Adapters for coding agents, without any I/O: a [`Task`](legwork_model::Task) becomes a [`Launch`], and the bytes
//! that the program prints become events.
//!
//! To add an agent: one file here, one line in [`registry`], and recordings of its real output under `fixtures/`.

pub mod agent;
pub mod claude_code;
mod environment;
pub mod framing;
mod mcp;
pub mod registry;
pub mod risk;
mod session_guard;
mod stderr;

pub use agent::{
    Agent, AgentReport, Capabilities, Credential, Decoded, Dialogue, Launch, Opening, Order, Package, PlacedFile,
    Setup, Stdin,
};
pub use registry::{find_agent, known_agents};
pub use session_guard::SessionGuard;
