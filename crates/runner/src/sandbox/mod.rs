//! Where an agent's process lives: how it is started there, and why it may not be.

pub(crate) mod process;
mod spawn_error;

use spawn_error::SpawnError;
