//! `legwork config`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, load_config, print};
use crate::config::{Config as Settings, Environment};

/// Checks and shows the settings.
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says whether the settings can be used
    Check,
    /// Prints the effective settings, from file, environment and defaults, without secrets
    Show,
    /// Prints the JSON Schema of legwork.toml
    Schema,
}

impl Config {
    /// Does it.
    ///
    /// # Errors
    /// Where the settings make no sense.
    pub fn run(self, environment: &Environment) -> Result<(), Failure> {
        let failed = |error: String| Failure::new(error);
        match self.action {
            Action::Check => {
                load_config(self.config.as_deref(), environment)?;
                print("The settings are fine.")?;
            }
            Action::Show => {
                let settings = load_config(self.config.as_deref(), environment)?;
                print(&toml::to_string_pretty(&settings).map_err(|error| failed(error.to_string()))?)?;
            }
            Action::Schema => {
                print(&serde_json::to_string_pretty(&Settings::schema()).map_err(|error| failed(error.to_string()))?)?;
            }
        }
        Ok(())
    }
}
