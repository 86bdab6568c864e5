//! The commands of the binary. File = command.

pub mod config;
pub mod doctor;
pub mod executions;
pub mod key;
pub mod openapi;
pub mod run;
pub mod serve;

pub mod client;
pub mod terminal;

use std::path::Path;

use crate::app::StartError;
use crate::config::{Config, ConfigError, Environment, load};

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
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
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

/// Prints what was asked for. Unlike `println!` it doesn't panic where nobody reads any more.
///
/// # Errors
/// Where it can't be written: a key that nobody saw is lost, and must be said to be.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(text.trim_end().as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(format!("failed to write to standard output: {error}")))
}
