//! `legwork doctor`

mod agents;
mod data;
mod machine;
mod report;
mod secrets;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, load_config, print};
use crate::app::secrets_of;
use crate::commands::terminal::{one_line, shorten};
use crate::config::{Config, Environment};
use crate::executor::Probe;
use crate::mask::Mask;
use report::{Check, Report};

const AFTER_HELP: &str = "\
Exit codes:
    0  runs can work
    1  something that every run needs is missing";

/// Says what is missing for runs to work, and how to get it.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Doctor {
    /// Ask only for what rehearsals need: no credentials
    #[arg(long)]
    rehearse: bool,
    /// Where everything is kept [default: legwork-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End and remove what dead runs left on this machine: processes, control groups, containers, directories
    #[arg(long)]
    sweep: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Looks at everything and tells what it found; the exit code says whether runs can work.
    ///
    /// # Errors
    /// Where the findings can't be written.
    pub async fn run(self, environment: Environment) -> Result<ExitCode, Failure> {
        let report = self.examine(&environment).await;
        let text = if self.json {
            serde_json::to_string(&report).map_err(|error| Failure::new(error.to_string()))?
        } else {
            report.to_string()
        };
        // Nobody may be reading; the exit code tells it too.
        print(&text)?;
        Ok(if report.ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn examine(&self, environment: &Environment) -> Report {
        let path = environment.get("PATH").unwrap_or_default();
        let scratch = environment.get("TMPDIR").unwrap_or("/tmp");
        let (processes, probe) = machine::processes(scratch.as_ref(), path);
        let (mut checks, mut sandboxes, mut mask) = (Vec::new(), Vec::new(), Mask::default());
        match self.settings(environment) {
            Ok(config) => {
                mask = Mask::new(secrets_of(&config));
                let file = self.config.clone().unwrap_or_else(|| "legwork.toml".into());
                let found = if file.exists() { file.display().to_string() } else { "no file, all defaults".to_owned() };
                checks.push(Check::ok("settings", found));
                checks.extend(data::examine(&config).await);
                checks.extend(secrets::examine(&config).await);
                checks.extend(agents::examine(&config, path, probe.as_ref()).await);
                sandboxes = machine::sandboxes(&config.sandbox, path).await;
                sandboxes.extend(config.repositories.over_ssh().then(|| machine::ssh(path)));
                if self.sweep {
                    sandboxes.push(sweep::sweep(&config, path).await);
                }
            }
            // What depends on settings can't be judged without them.
            Err(failure) => {
                let fix = "Correct it; `legwork config schema` describes all settings.";
                checks.push(Check::missing("settings", failure.message, fix));
            }
        }
        checks.push(machine::git(path, probe.as_ref()).await);
        checks.push(processes);
        checks.extend(sandboxes);
        Report { checks: checks.into_iter().map(|check| check.without_secrets(&mask)).collect() }
    }

    fn settings(&self, environment: &Environment) -> Result<Config, Failure> {
        let mut config = load_config(self.config.as_deref(), environment)?;
        config.data_dir = self.data_dir.clone().unwrap_or(config.data_dir);
        config.rehearsal.enabled |= self.rehearse;
        Ok(config)
    }
}

/// The version that a program tells of itself.
async fn version(probe: Option<&Probe>, program: &std::path::Path) -> Result<String, String> {
    match probe {
        Some(probe) => {
            let short = |text: String| shorten(&one_line(&text), 100);
            probe.first_line(program, "--version").await.map(short).map_err(|error| one_line(&error))
        }
        None => Err("programs can't be started".to_owned()),
    }
}
