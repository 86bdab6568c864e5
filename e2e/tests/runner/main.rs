//! Runs of a scripted agent, each with real processes: whatever an agent does, its run ends, with its reason, and
//! nothing of it is left. All that holds in each kind of sandbox.
//!
//! Each test wants a process of its own, as nextest gives it: a process without a mark lives on while any older run
//! of the same runner does.

#![cfg(test)]

/// Makes a test for each kind of sandbox of each case.
macro_rules! in_each_sandbox {
    ($($case:ident,)+) => { $(
        mod $case {
            #[tokio::test]
            async fn process() {
                super::$case(legwork_model::SandboxKind::Process).await;
            }

            #[tokio::test]
            async fn bubblewrap() {
                if crate::lab::has_bubblewrap().await {
                    super::$case(legwork_model::SandboxKind::Bubblewrap).await;
                }
            }
        }
    )+ };
}

mod lab;

mod deadlines;
mod input;
mod leftovers;
mod output;
mod processes;
mod start;
mod stopping;
mod survivors;

#[path = "../common/nowhere.rs"]
mod nowhere;
#[path = "../common/serving.rs"]
mod serving;
