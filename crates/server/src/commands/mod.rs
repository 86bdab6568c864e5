//! The commands of the binary. File = command.

pub mod agents;
pub mod budget;
pub mod config;
pub mod doctor;
pub mod executions;
pub mod images;
pub mod key;
pub mod openapi;
pub mod prices;
pub mod run;
pub mod secret;
pub mod serve;
pub mod supervise;
pub mod usage;
pub mod worker;

mod local;

pub mod client;
pub mod terminal;

use std::io::{self, Write};
use std::path::Path;

use legwork_runner::DockerError;

use crate::app::StartError;
use crate::config::{Config, ConfigError, Environment, load};
use crate::mask::Mask;

/// Exit code of a mistake in how a command was called.
pub const USAGE: u8 = 2;
/// Exit code where what a command needs (a server, the data directory) can't be had.
pub const UNAVAILABLE: u8 = 3;

/// Why a command could not do its work, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    /// For the person at the terminal.
    pub message: String,
    /// The exit code of the process.
    pub code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A mistake in how the command was called: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: USAGE }
    }

    /// The same without secrets: what libraries say may hold what they were called with.
    pub(crate) fn without_secrets(self, mask: &Mask) -> Self {
        Self { message: mask.apply(self.message), ..self }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<DockerError> for Failure {
    fn from(error: DockerError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// The settings, for a command.
///
/// # Errors
/// Where they make no sense.
fn load_config(file: Option<&Path>, environment: &Environment) -> Result<Config, Failure> {
    Ok(load(file, environment)?)
}

/// Prints lines; the last one is ended where it is not. Says whether anybody still reads: in a pipe, whoever has seen
/// enough leaves, and that is no failure.
///
/// # Errors
/// Where it can't be written although somebody wants it, to a full disk for instance.
fn print(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(format!("failed to write to standard output: {error}"))),
    }
}
