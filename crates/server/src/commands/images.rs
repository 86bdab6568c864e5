//! `legwork images`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use legwork_model::quantity::parse_duration;
use legwork_model::{Clock, SystemClock};
use legwork_runner::{BuiltImage, Docker, Progress};
use tokio::sync::mpsc;

use super::terminal::aligned;
use super::{Failure, load_config, print};
use crate::config::{Config, Environment};
use crate::executor::docker;

/// Builds, lists and removes the images of containers.
#[derive(Debug, Args)]
pub struct Images {
    #[command(subcommand)]
    action: Action,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Builds an image from a base and a setup script, unless that was done before, and prints its name.
    Build {
        /// The image to begin with [default: sandbox.docker.image of the settings]
        #[arg(long, value_name = "IMAGE")]
        base: Option<String>,
        /// A shell script to run on it
        #[arg(long, value_name = "FILE")]
        setup: PathBuf,
    },
    /// Lists the images that were built here.
    List,
    /// Removes images that were built here and that no container needs.
    Prune {
        /// How old they are at least, such as 7d
        #[arg(long, value_name = "TIME", default_value = "7d")]
        older_than: String,
    },
}

impl Images {
    /// Does it.
    ///
    /// # Errors
    /// Where the engine does not answer, or the script fails.
    pub async fn run(self, environment: &Environment) -> Result<(), Failure> {
        let config = load_config(self.config.as_deref(), environment)?;
        let docker = docker(&config.sandbox.docker, "cli", &config.data_dir);
        match self.action {
            Action::Build { base, setup } => build(&docker, base, &setup, &config).await,
            Action::List => list(&docker.images().list().await?),
            Action::Prune { older_than } => {
                let age = parse_duration(&older_than).map_err(|error| Failure::usage(error.to_string()))?;
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                list(&docker.images().prune(SystemClock.now().plus_millis(-age)).await?)
            }
        }
    }
}

async fn build(docker: &Docker, base: Option<String>, setup: &PathBuf, config: &Config) -> Result<(), Failure> {
    let script =
        std::fs::read_to_string(setup).map_err(|error| Failure::usage(format!("{}: {error}", setup.display())))?;
    let base = base.unwrap_or_else(|| config.sandbox.docker.image.clone());
    let (progress, mut said) = mpsc::channel::<String>(256);
    let telling = async {
        while let Some(line) = said.recv().await {
            eprintln!("{line}");
        }
    };
    let build = async { docker.images().build(&base, &script, &Progress::to(progress)).await };
    let (built, ()) = tokio::join!(build, telling);
    print(&built?).map(drop)
}

fn list(images: &[BuiltImage]) -> Result<(), Failure> {
    let mut rows = vec![["IMAGE", "BASE", "CREATED", "SIZE"].map(str::to_owned)];
    rows.extend(images.iter().map(|image| {
        let size = format!("{} MB", image.size / 1_000_000);
        [image.tag.clone(), image.base.clone(), image.created.to_string(), size]
    }));
    print(&aligned(&rows)).map(drop)
}
