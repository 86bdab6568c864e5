//! The protocol between an adapter and whoever runs its program.

use std::collections::BTreeMap;
use std::path::PathBuf;

use legwork_model::{Cost, EventBody, Exit, Failure, McpServer, Risk, Task, Usage, Verdict};
use serde::Serialize;
use serde_json::Value;

use crate::environment::{RESERVED, is_among};

/// One kind of coding agent.
///
/// The runner calls [`launch`](Agent::launch) once an attempt, starts what it describes, writes
/// [`Stdin::bytes`], and feeds a fresh [`dialogue`](Agent::dialogue) with what the program prints; the dialogue says what
/// that means and what to write in answer. An adapter does no I/O: the same input always gives the same launch, the same
/// events and the same answers.
pub trait Agent: Send + Sync {
    /// Its name in requests, configuration and metrics, such as `claude-code`.
    fn name(&self) -> &str;

    /// The program to look for on `PATH` where the configuration names none.
    fn default_program(&self) -> &str;

    /// A sentence that says how to get the program, for errors and for `legwork doctor`.
    fn install_hint(&self) -> &str;

    /// Where the program comes from, if Legwork can install it.
    fn package(&self) -> Option<Package> {
        None
    }

    /// The oldest version that the adapter can talk to; any where it can't be told.
    fn oldest_version(&self) -> Option<&'static str> {
        None
    }

    /// Whether the adapter was tried with the real program; else it was built from the program's documentation.
    fn verified(&self) -> bool {
        true
    }

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What a call of one of its tools may do.
    fn risk(&self, tool: &str, input: &Value) -> Risk;

    /// Whether it says by itself, and at once, that it has no credential. Others try for a minute, or say something else.
    fn misses_credential(&self) -> bool {
        false
    }

    /// What follows the origin of its model's API in the base URL that it takes, such as `/v1`.
    fn api_path(&self) -> &'static str {
        ""
    }

    /// A model that it knows well enough to be rehearsed with, where it needs one or would ask for its own choice.
    fn rehearsal_model(&self) -> Option<&'static str> {
        None
    }

    /// Whether a program that waits can learn of the task's own variables when its job comes.
    fn takes_variables_late(&self) -> bool {
        false
    }

    /// The variables that callers of other tools give its credential in, the usual one first; for the error where there is
    /// no credential.
    fn credential_variables(&self) -> &'static [&'static str];

    /// The environment variables that a task may not set for this agent in particular, because they decide where it sends
    /// its credential or what code it loads: exact names, and prefixes that end in `*`.
    fn reserved_env(&self) -> &'static [&'static str];

    /// Whether a task may not set `name`, for this agent or any.
    fn reserves_env(&self, name: &str) -> bool {
        is_among(name, RESERVED) || is_among(name, self.reserved_env())
    }

    /// Files among those of a [`Launch`] that hold a credential, relative to the home directory. They are removed with the
    /// run, whatever becomes of it.
    fn credential_files(&self) -> &'static [&'static str];

    /// Directories of its home in which it keeps its sessions, in files or directories that have the session's id in their
    /// name. With these files a session can be continued elsewhere at the same working directory.
    fn session_dirs(&self) -> &'static [&'static str] {
        &[]
    }

    /// What to start for `task`. Leaves out what `task.env` sets of the reserved names.
    fn launch(&self, task: &Task, setup: &Setup) -> Launch;

    /// The other end of the dialogue with what [`launch`](Agent::launch) describes.
    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue>;

    /// What to start ahead of a job like `task`, whose prompt, credential and variables are not known yet: they come as
    /// [`Order::Begin`], after [`Decoded::Ready`]. `None` where the program can't wait.
    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        let _ = (task, setup);
        None
    }
}

/// A package of the npm registry that holds an agent's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// The version that the adapter was tried with.
    pub version: &'static str,
    /// Where the program itself can be, never a launcher that would survive or outlive it: paths below `node_modules`, tried
    /// in this order. `*` stands for any text within one part.
    pub programs: &'static [&'static str],
}

/// What an agent can do beyond running one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Can continue an earlier session.
    pub resume: bool,
    /// Can continue a copy of an earlier session.
    pub fork: bool,
    /// Takes further messages while its process lives.
    pub follow_up: bool,
    /// Can be asked to stop its turn without ending its process.
    pub interrupt: bool,
    /// Asks before it uses a tool, so that [`Task::permissions`] can decide call by call.
    pub permissions: bool,
    /// Can be told which tools it may use before it starts ([`Task::tools`]).
    pub tool_rules: bool,
    /// Can use MCP servers.
    pub mcp: bool,
    /// Can be given something beside its own system prompt.
    pub system_prompt: bool,
    /// Reports the tokens it used.
    pub usage: bool,
    /// Reports what the run cost.
    pub cost: bool,
    /// Can be limited to a number of turns.
    pub max_turns: bool,
    /// Can be limited in what it costs.
    pub max_cost: bool,
    /// Can be started ahead of its job.
    pub warm: bool,
    /// Its sessions can be continued on another machine.
    pub sessions_travel: bool,
}

/// Where and as whom the agent is started; chosen by the operator, not by the caller.
#[derive(Debug, Clone, Default)]
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
    /// How much it may do without asking: `plan` (only look), `default` (ask before it changes something), `acceptEdits`
    /// (change files), `bypassPermissions` (everything), which each adapter says in its agent's own words; or one of those.
    pub permission_mode: Option<String>,
    /// How often it may repeat a failed call to its model.
    pub max_retries: u32,
    /// `PATH` of the agent and its tools.
    pub path: String,
    /// The MCP servers of the task, with the secrets they need.
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// Whether Claude Code is started in its bare mode, in which it begins sooner and has less.
    pub bare: bool,
    /// Whether the agent may load what a repository brings for it: settings, hooks, MCP servers.
    pub trust_repository: bool,
    /// Which API the model speaks, for an agent that knows several: `openai` or `anthropic`.
    pub model_api: Option<String>,
    /// Whether an agent that is talked to as a server is started for its one prompt instead, the way of its that takes no
    /// orders: a fallback for a program whose server misbehaves.
    pub one_shot: bool,
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
    /// What goes into each request to the model's API; none for a login, which the program renews by itself.
    pub(crate) fn secret(&self) -> Option<&str> {
        match self {
            Self::ApiKey(secret) | Self::BearerToken(secret) | Self::OauthToken(secret) => Some(secret),
            Self::LoginFile(_) => None,
        }
    }

    /// What the file of a login holds.
    pub(crate) fn login(&self) -> Option<&str> {
        match self {
            Self::LoginFile(file) => Some(file),
            _ => None,
        }
    }

    /// The secrets in it, to be masked wherever they would be printed.
    pub fn secrets(&self) -> Vec<&str> {
        match self.login() {
            Some(file) => Self::secrets_in(file).collect(),
            None => self.secret().into_iter().collect(),
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
    /// Whether it is a server, which does not leave by itself: it is ended once its work is done.
    pub serves: bool,
    /// How it is talked to, where that is not by its standard streams.
    pub http: Option<HttpServer>,
}

/// A program that serves HTTP on this machine. Whoever runs it is between it and its dialogue, which sees lines of JSON:
///
/// - On standard output comes `{"event":…}` for each server-sent event, `{"id":…,"status":…,"body":…}` for each answer,
///   `{"id":…,"error":…}` for a request that got none, and `{"line":…}` for what else the program prints there.
/// - On standard input goes `{"id":…,"method":…,"path":…,"body":…}` for each request. They are made one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpServer {
    /// What is printed before its address, which ends with its line.
    pub announced_by: &'static str,
    /// The path of its server-sent events.
    pub events: &'static str,
    /// The types (`"type":"…"`) of events that are left out: signs of life, and pieces of what comes as a whole later.
    pub unwanted: &'static [&'static str],
    /// The name that it is authenticated to with.
    pub user: &'static str,
    /// The variable that it takes its password from; a new one for each run.
    pub password_variable: &'static str,
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

/// A file with `contents` at `path`, relative to the home directory.
pub(crate) fn placed(path: &str, contents: impl Into<String>) -> PlacedFile {
    PlacedFile { path: path.into(), contents: contents.into() }
}

/// What to write to the program's standard input, and when to close it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stdin {
    /// Written at once.
    pub bytes: Vec<u8>,
    /// Whether it stays open until the decoder says [`Decoded::TurnEnded`]; else it is closed after the bytes.
    pub open_until_turn_ends: bool,
}

/// The other end of one program's dialogue: turns its bytes, which may be cut anywhere, also inside a character, into
/// events, and orders into bytes for it.
pub trait Dialogue: Send {
    /// Takes bytes of standard output, appends what they mean.
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// Takes bytes of standard error, appends what they mean.
    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// Takes an order, appends what is to be written for it. Only orders that the agent is
    /// [capable](Agent::capabilities) of come; what came too late is left out.
    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        let _ = (order, decoded);
    }

    /// The process has ended or was ended: appends what the last, unfinished lines mean and judges the run as the
    /// agent told it. Whoever stopped the run overrides the verdict.
    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport;
}

/// What some bytes meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Something to put on record.
    Event(EventBody),
    /// Bytes for the program's standard input.
    Input(Vec<u8>),
    /// It waits for [`Order::Begin`].
    Ready,
    /// It goes wrong in a way that the agent will not tell, or not in time: the run is ended for this reason.
    GiveUp(Failure),
    /// The agent took up another message after it had given an answer.
    TurnStarted,
    /// The agent has given its answer: unless there is more to come its standard input can be closed, and it should leave
    /// soon.
    TurnEnded,
}

/// What somebody wants of an agent that is running.
#[derive(Clone, PartialEq, Eq)]
pub enum Order {
    /// The job of a program that was started ahead of it.
    Begin(Box<Opening>),
    /// A further message of the user.
    Message(String),
    /// The end of the turn that goes on, but not of the process.
    Interrupt,
    /// The answer to an [`EventBody::PermissionRequest`].
    Decide {
        /// The request's id.
        id: String,
        /// Whether the tool may be used.
        allowed: bool,
        /// For the agent where it may not: why.
        reason: String,
    },
}

impl std::fmt::Debug for Order {
    /// Without messages and credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begin(_) => f.write_str("Begin"),
            Self::Message(_) => f.write_str("Message"),
            Self::Interrupt => f.write_str("Interrupt"),
            Self::Decide { id, allowed, .. } => {
                f.debug_struct("Decide").field("id", id).field("allowed", allowed).finish()
            }
        }
    }
}

impl std::fmt::Debug for Opening {
    /// Without any of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// What a program that was started ahead of its job learns when that comes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// What to do.
    pub prompt: String,
    /// What it authenticates with.
    pub credential: Option<Credential>,
    /// The model's API, where it is not the vendor's own.
    pub base_url: Option<String>,
    /// Further variables of the task, none of them reserved.
    pub env: BTreeMap<String, String>,
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

impl AgentReport {
    /// A verdict and nothing else.
    pub fn bare(verdict: Verdict) -> Self {
        Self { verdict, result: None, session_id: None, usage: None, cost_usd: None, turns: None }
    }
}
