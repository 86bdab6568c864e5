//! How an agent is started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use legwork_model::{McpServer, ModelApi};
use serde::{Deserialize, Serialize};

/// Where and as whom the agent is started; chosen by the operator, not by the caller.
#[derive(Clone, Default)]
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
    /// Whether it lives in a sandbox: then one of its own is not needed for what it may do in its workspace, and may not work.
    pub confined: bool,
    /// Which API the model speaks, for an agent that knows several: `openai` or `anthropic`.
    pub model_api: Option<String>,
    /// Whether an agent that is talked to as a server is started for its one prompt instead, the way of its that takes no
    /// orders: a fallback for a program whose server misbehaves.
    pub one_shot: bool,
}

impl std::fmt::Debug for Setup {
    /// Without MCP servers, which come with their secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Setup");
        shown.field("program", &self.program).field("workspace", &self.workspace).field("credential", &self.credential);
        shown.finish_non_exhaustive()
    }
}

/// Where the API of an agent's models is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEndpoint {
    /// How it is talked to.
    pub api: ModelApi,
    /// Its base URL, as the agent is told it.
    pub base_url: String,
}

impl Setup {
    /// The API that the operator says the model speaks, where they do.
    pub(crate) fn spoken_api(&self) -> Option<ModelApi> {
        match self.model_api.as_deref()? {
            "anthropic" => Some(ModelApi::Anthropic),
            "gemini" => Some(ModelApi::Gemini),
            _ => Some(ModelApi::Openai),
        }
    }

    /// Whether the credential is a login, which goes its own way.
    pub(crate) fn has_login(&self) -> bool {
        matches!(self.credential, Some(Credential::LoginFile(_)))
    }
}

impl ModelEndpoint {
    /// The operator's, else the vendor's own.
    pub(crate) fn new(api: ModelApi, setup: &Setup, vendors_own: &str) -> Self {
        Self { api, base_url: setup.base_url.clone().unwrap_or_else(|| vendors_own.to_owned()) }
    }
}

/// What an agent authenticates with at its model's API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl Setup {
    /// Whether the agent need not ask before it uses a tool.
    pub(crate) fn allows_all(&self) -> bool {
        self.permission_mode.as_deref() == Some("bypassPermissions")
    }
}

impl Credential {
    /// The same kind of credential with another secret. In the place of a file there is a token.
    #[must_use]
    pub fn with_secret(&self, secret: String) -> Self {
        match self {
            Self::ApiKey(_) => Self::ApiKey(secret),
            Self::BearerToken(_) => Self::BearerToken(secret),
            Self::OauthToken(_) | Self::LoginFile(_) => Self::OauthToken(secret),
        }
    }

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpServer {
    /// What is printed before its address, which ends with its line.
    pub announced_by: String,
    /// The path of its server-sent events.
    pub events: String,
    /// The types (`"type":"…"`) of events that are left out: signs of life, and pieces of what comes as a whole later.
    pub unwanted: Vec<String>,
    /// The name that it is authenticated to with.
    pub user: String,
    /// The variable that it takes its password from; a new one for each run.
    pub password_variable: String,
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
    /// Whether it stays open until the dialogue says [`Decoded::TurnEnded`](super::Decoded::TurnEnded); else it is closed after the bytes.
    pub open_until_turn_ends: bool,
}
