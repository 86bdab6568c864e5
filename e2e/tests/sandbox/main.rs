//! Attacks from inside a sandbox, by the rows of the attack matrix in `docs/security.md`. Each attacker is a script that
//! the scripted agent runs; what counts is what the machine outside saw, wherever that can be told.
//!
//! They are tried in bubblewrap; most of them again from inside a container (`containers`).
//!
//! Rows that are about what the egress proxy lets through are in `egress`; each is tried at the proxy alone as well, where the
//! proxy is.

#![cfg(test)]

/// Makes a test for an attacker that is some user inside, and for one that is the superuser there.
macro_rules! as_each_user {
    ($($row:ident,)+) => { $(
        mod $row {
            #[tokio::test]
            async fn as_user_1000() {
                if crate::lab::is_ready_for(stringify!($row)).await {
                    super::$row(1000_u32.into()).await;
                }
            }

            #[tokio::test]
            async fn as_superuser() {
                if crate::lab::is_ready_for(stringify!($row)).await {
                    super::$row(0_u32.into()).await;
                }
            }
        }
    )+ };
}

/// Names the rows that hold for attackers in containers, too.
macro_rules! in_containers {
    ($($row:ident,)+) => {
        pub(crate) const IN_CONTAINERS: &[crate::containers::Row] =
            &[$((stringify!($row), |attacker| futures::FutureExt::boxed($row(attacker)))),+];
    };
}

mod containers;
#[path = "../docker/engine.rs"]
#[expect(dead_code, reason = "here it does not crash")]
mod engine;

mod lab;
mod outside;

mod bridge;
mod egress;
mod uplink;

mod kernel;
mod limits;
mod network;
mod other_runs;
mod persistence;
mod secrets;
mod sockets;
mod unavailable;

mod claude;
