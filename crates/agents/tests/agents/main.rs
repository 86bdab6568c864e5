//! Replays of real runs of the agents beside Claude Code, and of what no program should print.
#![expect(clippy::expect_used, reason = "a test may panic, also in its helpers")]

#[path = "../recordings/mod.rs"]
mod recordings;

mod conversations;
mod custom;
mod launches;
mod lines;
mod replays;
