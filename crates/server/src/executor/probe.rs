//! Asks programs a question, through the runner as everything that is started: with a deadline, in a private directory,
//! and with nothing left behind.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use legwork_agents::{AgentReport, Decoded, Dialogue, Launch, Stdin};
use legwork_model::{Clock, Exit, FailureReason, Ids, Limits, Outcome, SystemClock, Verdict};
use legwork_runner::{Attempt, Confinement, Cookie, RunDirs, Runner, Survival, Wires};
use tokio::sync::{mpsc, watch};

/// Some programs unpack themselves when they are first started.
const SECONDS: u64 = 20;
const MOST_OUTPUT: u64 = 64 * 1024;

/// Starts programs to ask them something.
#[derive(Debug)]
pub struct Probe {
    /// Starts and ends them.
    pub runner: Runner,
    /// Where directories for them can be made.
    pub scratch: PathBuf,
    /// Their `PATH`.
    pub path: String,
    /// In whose name they are started: what a node left behind is ended by its next start.
    pub node: String,
}

impl Probe {
    /// The first line that `program` prints when called with `argument`; else a sentence that says why there is none.
    ///
    /// # Errors
    /// That sentence.
    pub async fn first_line(&self, program: &Path, argument: &str) -> Result<String, String> {
        let execution = Ids::from_system().execution(SystemClock.now());
        let no_directory = |error| format!("no directory could be made in {}: {error}", self.scratch.display());
        let dirs = RunDirs::create(&self.scratch, execution).map_err(no_directory)?;
        let said = Said::default();
        let attempt = self.attempt(program, argument, &dirs, Cookie::new(&self.node, execution, 1));
        let (_go_on, stop) = watch::channel(None);
        // Nobody listens: what it says comes back by itself.
        let (events, _) = mpsc::channel(1);
        let ended = self.runner.run(attempt, Wires::one_way(Box::new(said.clone()), stop, events)).await;
        // What can't be removed holds nothing.
        let _ = dirs.remove();
        judge(ended.outcome, &said)
    }

    fn attempt(&self, program: &Path, argument: &str, dirs: &RunDirs, cookie: Cookie) -> Attempt {
        let home = dirs.home().to_string_lossy().into_owned();
        let env = [("PATH", self.path.clone()), ("HOME", home), ("TMPDIR", dirs.tmp().to_string_lossy().into_owned())];
        let launch = Launch {
            program: program.to_owned(),
            args: vec![argument.to_owned()],
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            files: Vec::new(),
            stdin: Stdin { bytes: Vec::new(), open_until_turn_ends: false },
            serves: false,
            http: None,
        };
        let limits = Limits { timeout_seconds: SECONDS, max_output_bytes: MOST_OUTPUT, ..Limits::default() };
        let (install_hint, workspace, stdout_path) = (String::new(), dirs.work(), dirs.stdout());
        Attempt {
            launch,
            install_hint,
            workspace,
            limits,
            idle: None,
            confinement: Confinement::default(),
            survival: Survival::default(),
            cookie,
            stdout_path,
            so_far: None,
        }
    }
}

fn judge(outcome: Outcome, said: &Said) -> Result<String, String> {
    let line = said.first_line();
    match outcome.verdict {
        Verdict::Succeeded if line.is_empty() => Err("it printed nothing".to_owned()),
        Verdict::Succeeded => Ok(line),
        Verdict::Failed(failure) if failure.reason == FailureReason::ExitNonzero => Err(failure.message),
        Verdict::Failed(failure) => Err(failure.message),
        Verdict::Cancelled { message } => Err(message),
    }
}

/// What a program printed, to its standard output and to its error output.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<u8>>>, Arc<Mutex<Vec<u8>>>);

impl Said {
    /// The last line of its error output.
    pub(super) fn last_words(&self) -> String {
        let bytes = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        text.trim().lines().next_back().unwrap_or("it did not say why").trim().to_owned()
    }

    fn first_line(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        text.trim().lines().next().unwrap_or_default().trim().to_owned()
    }
}

impl Dialogue for Said {
    fn stdout(&mut self, bytes: &[u8], _decoded: &mut Vec<Decoded>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    fn stderr(&mut self, bytes: &[u8], _decoded: &mut Vec<Decoded>) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    fn finish(&mut self, exit: Exit, _decoded: &mut Vec<Decoded>) -> AgentReport {
        let verdict = match exit {
            Exit { code: Some(0), .. } => Verdict::Succeeded,
            Exit { code: Some(code), .. } => {
                Verdict::failed(FailureReason::ExitNonzero, format!("it exits with {code}"))
            }
            Exit { .. } => Verdict::failed(FailureReason::ExitNonzero, "it is killed by a signal"),
        };
        AgentReport::bare(verdict)
    }
}
