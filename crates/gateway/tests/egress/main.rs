//! The egress proxy as a program in a sandbox meets it. The internet is a few servers on loopback, and what counts is what
//! they and the program have seen. The rows are those of the attacks that a sandbox has to stand.
#![expect(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may panic, also in its helpers")]

mod internet;
mod run;

mod addresses;
mod http;
mod limits;
mod names;
mod reaching;
mod socks;
mod tls;

/// Far longer than anything here takes: whatever reaches it hangs.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);
