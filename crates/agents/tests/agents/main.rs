//! The agents from outside: recordings of real runs played again, and what no program should print.
#![expect(clippy::expect_used, reason = "a test may panic, also in its helpers")]

mod recordings;

mod replays;

mod claude_code;
mod codex;
mod conversations;
mod custom;
mod launches;
mod lines;
mod opencode;
