//! Runs one claimed execution: prepares its directories and workspace, hands the agent to the runner, records what it
//! says, and ends the execution.

mod approvals;
mod attempt;
mod bells;
mod cached;
mod confinement;
mod execute;
mod files;
mod fingerprint;
mod further;
mod health;
mod install;
mod models;
mod places;
mod prepare;
mod prepared;
mod probe;
mod processes;
mod programs;
mod seat;
mod secrets;
mod sessions;
mod setup;
mod survival;
mod talk;
mod vault;
mod version;
mod waits;
mod warm;

pub use bells::{Bell, Bells};
pub use confinement::{Kinds, Uplinks, docker, sandboxed};
pub use execute::{Executor, Model};
pub use health::{AgentHealth, HealthCache};
pub use install::{Installed, Installer};
pub use models::Models;
pub use probe::Probe;
pub use programs::{Programs, find_program};
pub use seat::Seat;
pub use setup::credential;
pub use survival::Survivors;
pub use vault::{RunSecrets, Vault};
pub use version::too_old;
pub use warm::{WarmPool, keep};
