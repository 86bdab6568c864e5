//! `legwork agents`

mod matrix;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use legwork_agents::Agent;
use legwork_runner::Runner;

use super::terminal::aligned;
use super::{Failure, load_config, print};
use crate::app::make_data_dir;
use crate::config::{Config, Environment};
use crate::executor::{Installer, Probe, Programs};
use crate::parse::nearest;

/// Lists, installs and tries agents' programs.
#[derive(Debug, Args)]
pub struct Agents {
    #[command(subcommand)]
    action: Action,
    /// Where everything is kept [default: legwork-data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all agents with their programs.
    List,
    /// Installs an agent's program from npm into the data directory, in the version that Legwork was tried with.
    Install {
        /// The agent, such as claude-code
        name: String,
    },
    /// Runs an agent's program through a list of cases with the rehearsal model, at no cost, and tells which it passes.
    Verify {
        /// The agent, such as claude-code
        name: String,
    },
    /// Prints what each agent can do, as a table in Markdown.
    Matrix,
}

impl Agents {
    /// Does it.
    ///
    /// # Errors
    /// Where the agent is not known, or its program can't be installed.
    pub async fn run(self, environment: Environment) -> Result<ExitCode, Failure> {
        let mut config = load_config(self.config.as_deref(), &environment)?;
        config.data_dir = self.data_dir.unwrap_or(config.data_dir);
        make_data_dir(&config.data_dir)?;
        match self.action {
            Action::List => list(&config, &environment).await,
            Action::Install { name } => install(&name, &config, &environment).await,
            Action::Verify { name } => {
                let agent = known(&name, &config)?;
                let found = installer(&config, &environment)?.programs.find(agent, &config.agent(agent.name()));
                let program = found.ok_or_else(|| Failure::new(agent.install_hint()))?;
                verify::verify(agent, program, config, environment).await
            }
            Action::Matrix => {
                print(&matrix::matrix(&config.known_agents))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn list(config: &Config, environment: &Environment) -> Result<ExitCode, Failure> {
    let installer = installer(config, environment)?;
    let mut rows = vec![["NAME", "VERSION", "PROGRAM"].map(str::to_owned)];
    for agent in config.known_agents.all() {
        let [version, program] = match installer.programs.find(agent, &config.agent(agent.name())) {
            Some(program) => {
                let version = installer.probe.first_line(&program, "--version").await;
                [version.unwrap_or_else(|why| format!("does not work: {why}")), program.display().to_string()]
            }
            None => ["-".to_owned(), agent.install_hint().to_owned()],
        };
        rows.push([agent.name().to_owned(), version, program]);
    }
    print(&aligned(&rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn install(name: &str, config: &Config, environment: &Environment) -> Result<ExitCode, Failure> {
    let agent = known(name, config)?;
    let installer = installer(config, environment)?;
    let installed = installer.install(agent).await.map_err(Failure::new)?;
    print(&format!("{} {} is installed: {}", agent.name(), installed.version, installed.program.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn known(name: &str, config: &Config) -> Result<&'static dyn Agent, Failure> {
    let names = || config.known_agents.names();
    let near = nearest(name, names()).map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
    let unknown = || format!("there is no agent `{name}`.{near} Known: {}", names().collect::<Vec<_>>().join(", "));
    config.known_agents.find(name).ok_or_else(|| Failure::usage(unknown()))
}

fn installer(config: &Config, environment: &Environment) -> Result<Installer, Failure> {
    let path = environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let runner = Runner::new().map_err(|error| Failure::new(error.to_string()))?;
    let scratch = environment.get("TMPDIR").unwrap_or("/tmp").into();
    let probe = Probe { runner: runner.clone(), scratch, path: path.to_owned(), node: "agents".to_owned() };
    let environment = environment.with_prefix("").map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Installer { runner, programs: Programs::new(&config.data_dir, path), probe, environment })
}
