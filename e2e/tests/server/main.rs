//! Scenarios with the real binary `legwork` as a process of its own.
#![expect(clippy::disallowed_methods, reason = "scenarios start programs and read what the test script provides")]
#![expect(clippy::expect_used, clippy::panic, reason = "what goes wrong in a scenario is a failed test")]

mod agents;
mod caching;
mod claude;
mod cli;
mod clients;
mod cluster;
mod contained;
mod conversations;
mod crash;
mod doors;
#[path = "../docker/engine.rs"]
#[expect(dead_code, reason = "here it does not crash")]
mod engine;
mod examples;
mod further;
mod http;
mod lab;
mod mcp;
mod models;
mod readme;
mod redis;
mod sandboxed;
mod secrets;
mod sentry;
mod shutdown;
mod survival;
mod tool_uses;
mod unified;
mod warm;
