//! The whole service in one process, asked through its router: no sockets, but real runs of a small scripted agent.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic, also in its helpers")]

mod agent;
mod app;
mod http;

mod bad_input;
mod budgets;
mod caching;
mod cancelling;
mod describing;
mod doors;
mod faults;
mod following;
mod keys;
mod leftovers;
mod listing;
mod mcp_servers;
mod repeating;
mod sandboxes;
mod secrets;
mod sessions;
mod settings;
mod submitting;
mod taking_over;
mod tool_uses;
