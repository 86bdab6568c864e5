//! One attempt of an agent: its directories and workspace, its process with everything that descends from it, its
//! output, its deadlines, and its end.
//!
//! A failed run is a value, an [`Outcome`](legwork_model::Outcome). No SQL and no HTTP server in here, and no HTTP to elsewhere than an agent that serves it itself; what is
//! recorded about a run goes out as events.

mod attempt;
mod output;
mod passage;
mod runner;
mod session_files;
mod stop;
mod survivors;
mod waiting;

pub mod dirs;
pub mod workspace;

mod cookie;
mod process_tree;
mod sandbox;
mod starter;
pub mod supervisor;

mod bridge;
mod deadlines;
mod event_queue;
mod multiplex;
mod namespace;
mod network;
mod pause;
mod pipes;
mod stdin;

pub use attempt::{Attempt, Instruction, Lines, Survival, Wires};
pub use cookie::{COOKIE_VARIABLE, Cookie};
pub use dirs::RunDirs;
pub use output::Output;
pub use process_tree::Leftover;
pub use runner::{Ended, Graces, Runner};
pub use sandbox::docker::{
    BuiltImage, Docker, DockerError, DockerSettings, Images, Progress, SeccompError, SeccompProfile,
};
pub use sandbox::{Confinement, Network, Resources, Uplink, Works};
pub use stop::StopReason;
pub use survivors::{Resumed, Resumption, Survivor, TakenUp};
pub use waiting::{Job, Waiting};
pub use workspace::Workspace;
