//! Installs the agents' programs from the npm registry, each in the version that its adapter was tried with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use legwork_agents::{Agent, Launch, Package, Stdin};
use legwork_model::{Clock, Ids, Limits, SystemClock, Verdict};
use legwork_runner::{Attempt, Confinement, Cookie, Runner, Survival, Wires};
use tokio::sync::{mpsc, watch};

use super::probe::{Probe, Said};
use super::programs::{CHOSEN, MODULES, Programs, find_program, matching};

/// Slow lines take a while for the hundreds of megabytes that some of them are.
const SECONDS: u64 = 15 * 60;
const MOST_OUTPUT: u64 = 1024 * 1024;

/// Installs agents' programs.
#[derive(Debug)]
pub struct Installer {
    /// Starts npm.
    pub runner: Runner,
    /// Where programs are looked for and installed.
    pub programs: Programs,
    /// Asks programs for their version.
    pub probe: Probe,
    /// The whole environment of npm: it has settings of its own there.
    pub environment: Vec<(String, String)>,
}

/// A program that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where it is.
    pub program: PathBuf,
    /// What it says of its version.
    pub version: String,
}

impl Installer {
    /// Installs the program of `agent`; finds out that it runs before it takes the place of another.
    ///
    /// # Errors
    /// A sentence that says why not; then nothing has changed.
    pub async fn install(&self, agent: &dyn Agent) -> Result<Installed, String> {
        let hint = || format!("Legwork can't install {}. {}", agent.name(), agent.install_hint());
        let package = agent.package().ok_or_else(hint)?;
        let home = self.programs.home(agent.name(), &package);
        let failed = |error: io::Error| format!("{} can't be made: {error}", home.display());
        let parent = home.parent().unwrap_or(&home);
        fs::create_dir_all(parent).map_err(failed)?;
        // Beside its final place, so that a broken download is never taken for a program.
        let fresh = parent.join(format!(".{}", Ids::from_system().execution(SystemClock.now())));
        fs::create_dir(&fresh).map_err(failed)?;
        let installed = self.install_into(&fresh, &package).await;
        if installed.is_ok() {
            let _ = fs::remove_dir_all(&home);
            fs::rename(&fresh, &home).map_err(failed)?;
        }
        // Gone already where all went well.
        let _ = fs::remove_dir_all(&fresh);
        let Installed { program, version } = installed?;
        let program = home.join(program.strip_prefix(&fresh).unwrap_or(&program));
        Ok(Installed { program, version })
    }

    async fn install_into(&self, fresh: &Path, package: &Package) -> Result<Installed, String> {
        self.npm(fresh, package).await?;
        let mut problem = format!("{} {} holds no program that is known", package.name, package.version);
        for program in matching(&fresh.join(MODULES), package) {
            match self.probe.first_line(&program, "--version").await {
                Ok(version) => {
                    let name = program.strip_prefix(fresh).unwrap_or(&program).to_string_lossy().into_owned();
                    fs::write(fresh.join(CHOSEN), name).map_err(|error| error.to_string())?;
                    return Ok(Installed { program, version });
                }
                Err(why) => problem = format!("{} does not work: {why}", program.display()),
            }
        }
        Err(problem)
    }

    async fn npm(&self, fresh: &Path, package: &Package) -> Result<(), String> {
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
        let npm = find_program(Path::new("npm"), path).ok_or("npm was not found in PATH: install Node.js")?;
        let what = format!("{}@{}", package.name, package.version);
        // Install scripts would run what the packages say; the programs need none.
        let fixed =
            ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
        let args = fixed.into_iter().map(str::to_owned).chain([fresh.to_string_lossy().into_owned(), what]).collect();
        let launch = Launch {
            program: npm,
            args,
            env: self.environment.clone(),
            files: Vec::new(),
            stdin: Stdin { bytes: Vec::new(), open_until_turn_ends: false },
            serves: false,
            http: None,
        };
        let limits = Limits { timeout_seconds: SECONDS, max_output_bytes: MOST_OUTPUT, ..Limits::default() };
        let id = Ids::from_system().execution(SystemClock.now());
        let attempt = Attempt {
            launch,
            install_hint: String::new(),
            workspace: fresh.to_owned(),
            limits: Limits { first_event_seconds: SECONDS, silence_seconds: SECONDS, ..limits },
            idle: None,
            confinement: Confinement::default(),
            survival: Survival::default(),
            cookie: Cookie::new(&self.probe.node, id, 1),
            stdout_path: fresh.join("npm-output"),
            so_far: None,
        };
        let said = Said::default();
        let (_go_on, stop) = watch::channel(None);
        // Nobody listens: what it says comes back by itself.
        let (events, _) = mpsc::channel(1);
        let wires = Wires::one_way(Box::new(said.clone()), stop, events);
        match self.runner.run(attempt, wires).await.outcome.verdict {
            Verdict::Succeeded => Ok(()),
            Verdict::Failed(failure) => Err(format!("npm failed ({}): {}", failure.message, said.last_words())),
            Verdict::Cancelled { message } => Err(message),
        }
    }
}
