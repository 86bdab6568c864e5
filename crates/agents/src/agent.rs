//! The protocol between an adapter and whoever runs its program.

use std::path::PathBuf;

use legwork_model::{Cost, EventBody, Exit, Task, Usage, Verdict};
use serde::Serialize;

/// One kind of coding agent.
///
/// The runner calls [`launch`](Agent::launch) once an attempt, starts what it describes, writes
/// [`Stdin::bytes`], and feeds a fresh [`decoder`](Agent::decoder) with what the program prints. An adapter does
/// no I/O: the same input always gives the same launch and the same events.
pub trait Agent: Send + Sync {
    /// Its name in requests, configuration and metrics, such as `claude-code`.
    fn name(&self) -> &'static str;

    /// The program to look for on `PATH` where the configuration names none.
    fn default_program(&self) -> &'static str;

    /// A sentence that says how to get the program, for errors and for `legwork doctor`.
    fn install_hint(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The environment variables that a task may not set, because they decide where the agent sends its credential or
    /// what code it loads: exact names, and prefixes that end in `*`.
    fn reserved_env(&self) -> &'static [&'static str];

    /// Whether `name` is one of the [`reserved_env`](Agent::reserved_env).
    fn reserves_env(&self, name: &str) -> bool {
        self.reserved_env().iter().any(|reserved| match reserved.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *reserved,
        })
    }

    /// Files among those of a [`Launch`] that hold a credential, relative to the home directory. They are removed with the
    /// run, whatever becomes of it.
    fn credential_files(&self) -> &'static [&'static str];

    /// What to start for `task`. Leaves out what `task.env` sets of the reserved names.
    fn launch(&self, task: &Task, setup: &Setup) -> Launch;

    /// A decoder for the output of one run.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// What an agent can do beyond running one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Can continue an earlier session.
    pub resume: bool,
    /// Takes further messages while its process lives.
    pub follow_up: bool,
    /// Can be asked to stop its turn without ending its process.
    pub interrupt: bool,
    /// Reports what the run cost.
    pub cost: bool,
    /// Can be limited to a number of turns.
    pub max_turns: bool,
}

/// Where and as whom the agent is started; chosen by the operator, not by the caller.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The agent's program.
    pub program: PathBuf,
    /// Its working directory.
    pub workspace: PathBuf,
    /// Its private home directory (0700).
    pub home: PathBuf,
    /// Its private directory for temporary files (0700).
    pub tmp: PathBuf,
    /// What it authenticates with at its model's API.
    pub credential: Option<Credential>,
    /// The model's API, where it is not the vendor's own.
    pub base_url: Option<String>,
    /// How much it may do without asking, in the agent's own word (Claude Code: `acceptEdits`, `bypassPermissions`, …).
    pub permission_mode: Option<String>,
    /// How often it may repeat a failed call to its model.
    pub max_retries: u32,
    /// `PATH` of the agent and its tools.
    pub path: String,
}

/// What an agent authenticates with at its model's API.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey(String),
    /// A bearer token of a router in front of the API.
    BearerToken(String),
    /// The token of a subscription login.
    OauthToken(String),
    /// The file of a subscription login, as the program itself writes it: a JSON object.
    LoginFile(String),
}

impl Credential {
    /// The secrets in it, to be masked wherever they would be printed.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::ApiKey(secret) | Self::BearerToken(secret) | Self::OauthToken(secret) => vec![secret],
            Self::LoginFile(file) => Self::secrets_in(file).collect(),
        }
    }

    /// The secrets in the file of a login: every long text, as it is written there. Tokens need no escapes.
    pub fn secrets_in(file: &str) -> impl Iterator<Item = &str> {
        file.split('"').skip(1).step_by(2).filter(|text| text.len() > 20)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(***)",
            Self::BearerToken(_) => "BearerToken(***)",
            Self::OauthToken(_) => "OauthToken(***)",
            Self::LoginFile(_) => "LoginFile(***)",
        })
    }
}

/// A program to start. Its arguments hold no prompt: that goes in by standard input.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Files to write before it starts.
    pub files: Vec<PlacedFile>,
    /// What to write to its standard input.
    pub stdin: Stdin,
}

impl std::fmt::Debug for Launch {
    /// Without values of variables, contents of files, and input: they hold the credential and the prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        let files: Vec<_> = self.files.iter().map(|file| &file.path).collect();
        let mut shown = f.debug_struct("Launch");
        shown.field("program", &self.program).field("args", &self.args).field("env", &names).field("files", &files);
        shown.finish_non_exhaustive()
    }
}

/// A file that the agent expects in its private home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Relative to the home directory.
    pub path: PathBuf,
    /// What it holds. Written with mode 0600.
    pub contents: String,
}

/// What to write to the program's standard input, and when to close it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stdin {
    /// Written at once.
    pub bytes: Vec<u8>,
    /// Whether it stays open until the decoder says [`Decoded::TurnEnded`]; else it is closed after the bytes.
    pub open_until_turn_ends: bool,
}

/// Turns the bytes of one run into events. Bytes may be cut anywhere, also inside a character.
pub trait Decoder: Send {
    /// Takes bytes of standard output, appends what they mean.
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// Takes bytes of standard error, appends what they mean.
    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// The process has ended or was ended: appends what the last, unfinished lines mean and judges the run as the
    /// agent told it. Whoever stopped the run overrides the verdict.
    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport;
}

/// What some bytes meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Something to put on record.
    Event(EventBody),
    /// The agent has given its answer: its standard input can be closed, and it should leave soon.
    TurnEnded,
}

/// What an agent told of its own run.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentReport {
    /// How the agent says it went.
    pub verdict: Verdict,
    /// Its last answer.
    pub result: Option<String>,
    /// Its session.
    pub session_id: Option<String>,
    /// Tokens of the whole run.
    pub usage: Option<Usage>,
    /// Cost of the whole run.
    pub cost_usd: Option<Cost>,
    /// Turns of the whole run.
    pub turns: Option<u32>,
}
