//! The protocol between an adapter and whoever runs its program.

mod dialogue;
mod launch;

use legwork_model::{Risk, Task};
use serde::Serialize;
use serde_json::Value;

pub use dialogue::{AgentReport, Decoded, Dialogue, Opening, Order};
pub use launch::{Credential, HttpServer, Launch, ModelEndpoint, PlacedFile, Setup, Stdin};

pub(crate) use launch::placed;

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

    /// The API that it talks to its models by, and where that is, if it can be told another address: then it is pointed at the
    /// model proxy, with a token of the run for a credential. `None` where it goes its own way with this credential.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let _ = setup;
        None
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

    /// Whether a program that waits has to have its credential, and the address of its model's API, from its start.
    fn takes_credential_early(&self) -> bool {
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

    /// The hosts of its model's API, and of the login there, where its vendor's own are used: each exact or as `*.suffix`.
    fn model_hosts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Directories of its home in which it keeps its sessions, in files or directories that have the session's
    /// [mark](Self::session_mark) in their name. With these files a session can be continued elsewhere at the same working
    /// directory.
    fn session_dirs(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the names of a session's files have in them.
    fn session_mark<'a>(&self, session: &'a str) -> &'a str {
        session
    }

    /// What the one file of a session is to be called when its program continues it, where that matters.
    fn session_file(&self, session: &str) -> Option<String> {
        let _ = session;
        None
    }

    /// What to start for `task`. Leaves out what `task.env` sets of the reserved names.
    fn launch(&self, task: &Task, setup: &Setup) -> Launch;

    /// The other end of the dialogue with what [`launch`](Agent::launch) describes.
    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue>;

    /// What to start ahead of a job like `task`, whose prompt and variables are not known yet: they come as [`Order::Begin`],
    /// after [`Decoded::Ready`], and so does a credential that is the job's alone. Any other is in `setup`; an agent that [takes
    /// its credential early](Self::takes_credential_early) is started with no less. `None` where the program can't wait.
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
