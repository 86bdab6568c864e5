//! Runs git the way everything else is run: with a deadline, and with nothing left of it afterwards. It gets no
//! configuration but what is written here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use legwork_agents::{AgentReport, Decoded, Dialogue, Launch, Stdin};
use legwork_model::{EventBody, Exit, FailureReason, Limits, Outcome, Verdict};
use tokio::sync::{mpsc, watch};

use super::access::Access;
use super::progress::Progress;
use super::ssh::{self, Ssh};
use crate::attempt::Survival;
use crate::attempt::{Attempt, Wires};
use crate::cookie::Cookie;
use crate::output::Output;
use crate::runner::{Ended, Runner};
use crate::sandbox::{Confinement, Inherited};
use crate::stop::StopReason;

const INSTALL_HINT: &str = "Install git, for instance with `apt-get install git`.";

/// What is kept of what git says about an error.
const LONGEST_COMPLAINT: usize = 2000;

/// No hook, monitor or filter that a repository brings along is ever run.
const CONFIGURATION: [&str; 6] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.excludesFile=/dev/null",
    "core.attributesFile=/dev/null",
    "core.untrackedCache=false",
    "gc.auto=0",
];

/// What git needs to be run.
#[derive(Debug, Clone)]
pub struct GitSetup {
    /// Git's program: a name or an absolute path.
    pub program: PathBuf,
    /// `PATH` for git and its helpers.
    pub path: String,
    /// The mark of its processes: that of the run it works for.
    pub cookie: Cookie,
    /// How long one call may take.
    pub deadline: Duration,
    /// The program that gives git the token of a private repository ([`write_askpass`](super::write_askpass)).
    pub askpass: PathBuf,
    /// How it reaches repositories over SSH, where the operator gave a key.
    pub ssh: Option<Arc<Ssh>>,
}

/// Why git did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It said no; its last words.
    #[error("git failed: {0}")]
    Failed(String),
    /// It could not be started.
    #[error("{0}")]
    NotStarted(String),
    /// It took too long.
    #[error("git was not done within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Somebody stopped it.
    #[error("git was stopped")]
    Stopped(Verdict),
    /// A file between it and us could not be made.
    #[error("a file for git could not be made or read: {0}")]
    File(#[from] io::Error),
}

/// One call of git.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(&'static str, &'a OsStr)>,
    pub(super) directory: &'a Path,
    pub(super) home: &'a Path,
    pub(super) input: Option<File>,
    /// Where its output goes if it is large.
    pub(super) output: &'a Path,
    /// Bytes of output after which it is stopped.
    pub(super) most_output: u64,
    /// What it authenticates with at the repository's host.
    pub(super) access: Option<Access<'a>>,
    /// Who wants to know how far it is.
    pub(super) progress: Option<mpsc::Sender<EventBody>>,
}

/// What git printed.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) output: Output,
    pub(super) cut_off: bool,
}

impl GitSetup {
    /// Runs git to its end.
    pub(super) async fn call(
        &self,
        runner: &Runner,
        call: Call<'_>,
        stop: watch::Receiver<Option<StopReason>>,
    ) -> Result<Printed, GitError> {
        let Call { arguments, environment, directory, home, input, output, most_output, access, progress } = call;
        // Where nobody listens: its complaints come back as its report.
        let events = progress.unwrap_or_else(|| mpsc::channel(1).0);
        let words = Words { over_ssh: matches!(access, Some(Access::Key(..))), ..Words::default() };
        let wires = Wires::one_way(Box::new(words), stop, events);
        let inherited = Inherited { stdin: input, secret: access.as_ref().map(Access::secret).transpose()? };
        let asks = access.map(|access| access.environment(&self.askpass)).unwrap_or_default();
        let attempt = Attempt {
            launch: self.launch(arguments, &environment, home, &asks),
            install_hint: INSTALL_HINT.to_owned(),
            workspace: directory.to_owned(),
            limits: self.limits(most_output),
            idle: None,
            confinement: Confinement::default(),
            survival: Survival::default(),
            cookie: self.cookie.clone(),
            stdout_path: output.to_owned(),
            so_far: None,
        };
        let Ended { outcome, output, .. } = runner.run_inheriting(attempt, inherited, wires).await;
        Ok(Printed { cut_off: self.judge(outcome)?, output: output.unwrap_or_default() })
    }

    fn launch(
        &self,
        arguments: Vec<String>,
        environment: &[(&'static str, &OsStr)],
        home: &Path,
        asks: &[(&'static str, OsString)],
    ) -> Launch {
        let fixed = [
            ("PATH", self.path.as_str()),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_LFS_SKIP_SMUDGE", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ];
        let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        // Else it looks for a repository in every directory above, and reads its configuration.
        let above = home.parent().unwrap_or(home);
        let own = [("HOME", home.as_os_str()), ("GIT_CEILING_DIRECTORIES", above.as_os_str())];
        let asks = asks.iter().map(|(name, value)| (*name, value.as_os_str()));
        let given = own.into_iter().chain(asks).chain(environment.iter().copied());
        let given = given.map(|(name, value)| (name.to_owned(), value.to_string_lossy().into_owned()));
        let configuration = CONFIGURATION.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
        Launch {
            program: self.program.clone(),
            args: configuration.chain(arguments).collect(),
            env: fixed.chain(given).collect(),
            files: Vec::new(),
            stdin: Stdin { bytes: Vec::new(), open_until_turn_ends: false },
            serves: false,
            http: None,
        }
    }

    fn limits(&self, max_output_bytes: u64) -> Limits {
        let seconds = self.deadline.as_secs().max(1);
        Limits {
            timeout_seconds: seconds,
            first_event_seconds: u64::MAX,
            silence_seconds: u64::MAX,
            max_output_bytes,
            ..Limits::default()
        }
    }

    /// Whether the output of a call that did its work was cut off.
    fn judge(&self, outcome: Outcome) -> Result<bool, GitError> {
        match outcome.verdict {
            Verdict::Succeeded => Ok(false),
            Verdict::Failed(failure) => match failure.reason {
                FailureReason::OutputLimit => Ok(true),
                FailureReason::Timeout => Err(GitError::TimedOut(self.deadline)),
                FailureReason::SpawnFailed => Err(GitError::NotStarted(failure.message)),
                FailureReason::ExitNonzero => Err(GitError::Failed(failure.message)),
                _ => Err(GitError::Stopped(Verdict::Failed(failure))),
            },
            cancelled @ Verdict::Cancelled { .. } => Err(GitError::Stopped(cancelled)),
        }
    }
}

/// Keeps what git said last, and tells how far it is.
#[derive(Debug, Default)]
struct Words {
    over_ssh: bool,
    stderr: Vec<u8>,
    progress: Progress,
}

impl Words {
    /// The line that says what is wrong; advice follows it.
    fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        if let Some(complaint) = self.over_ssh.then(|| ssh::complaint(&text)).flatten() {
            return complaint;
        }
        let mut lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        let wrong = lines.clone().find_map(|line| line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")));
        let line = wrong.or_else(|| lines.next_back()).unwrap_or("it did not say why");
        line.chars().filter(|c| !c.is_control()).collect()
    }
}

impl Dialogue for Words {
    fn stdout(&mut self, _bytes: &[u8], _decoded: &mut Vec<Decoded>) {}

    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        self.progress.read(bytes, decoded);
        self.stderr.extend_from_slice(bytes);
        let excess = self.stderr.len().saturating_sub(LONGEST_COMPLAINT);
        self.stderr.drain(..excess);
    }

    fn finish(&mut self, exit: Exit, _decoded: &mut Vec<Decoded>) -> AgentReport {
        let verdict = match exit.code {
            Some(0) => Verdict::Succeeded,
            _ => Verdict::failed(FailureReason::ExitNonzero, self.complaint()),
        };
        AgentReport::bare(verdict)
    }
}
