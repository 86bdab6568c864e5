//! Attacks from inside a sandbox, by the rows of the attack matrix in `docs/security.md`. Each attacker is a script that
//! the scripted agent runs; what counts is what the machine outside saw, wherever that can be told.
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
                    super::$row(1000).await;
                }
            }

            #[tokio::test]
            async fn as_superuser() {
                if crate::lab::is_ready_for(stringify!($row)).await {
                    super::$row(0).await;
                }
            }
        }
    )+ };
}

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
