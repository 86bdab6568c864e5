//! GitHub Copilot CLI: `copilot --acp` where somebody may talk to it, else one run with lines of JSON.
//!
//! Everything here was measured on the real program: recordings of its output, and of which version, are under
//! `fixtures/copilot/`.

mod conversation;
mod decode;
mod launch;
mod risk;
mod verdict;
mod wire;

use legwork_model::{ModelApi, Risk, Task};
use serde_json::Value;

use crate::acp::{self, Job};
use crate::agent::{Agent, Capabilities, Dialogue, Launch, ModelEndpoint, Package, Setup, Stdin};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "Copilot CLI";

/// The adapter for GitHub Copilot CLI.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copilot;

impl Copilot {
    /// It is told its MCP servers by a file.
    fn job(self, task: &Task, setup: &Setup) -> Job {
        Job { mcp_servers: Value::Array(Vec::new()), ..Job::new(NAME, task, setup) }
    }

    fn server(self, task: &Task, setup: &Setup) -> Launch {
        Launch { stdin: acp::stdin(), serves: true, ..self.program(launch::conversation(task, setup), task, setup) }
    }

    fn program(self, args: Vec<String>, task: &Task, setup: &Setup) -> Launch {
        Launch {
            program: setup.program.clone(),
            args,
            env: environment(&self, task, setup, launch::env(task, setup)),
            files: launch::files(task, setup),
            stdin: Stdin { bytes: task.prompt.clone().into_bytes(), open_until_turn_ends: false },
            serves: false,
            http: None,
        }
    }
}

impl Agent for Copilot {
    fn name(&self) -> &str {
        "copilot"
    }

    fn default_program(&self) -> &str {
        "copilot"
    }

    fn install_hint(&self) -> &str {
        "Install it with `legwork agents install copilot`, or with `npm install -g @github/copilot`."
    }

    fn package(&self) -> Option<Package> {
        // The program itself, from the package of the platform. What npm puts on `PATH` starts it as a child, which
        // outlives it.
        Some(Package { name: "@github/copilot", version: "1.0.102", programs: &["@github/copilot-*/copilot"] })
    }

    /// The one that was tried; no older one was.
    fn oldest_version(&self) -> Option<&'static str> {
        Some("1.0.102")
    }

    /// It tells its tokens in a conversation alone, and ends its turn where it is refused a tool there.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            fork: false,
            follow_up: true,
            interrupt: true,
            permissions: true,
            tool_rules: true,
            mcp: true,
            system_prompt: true,
            usage: false,
            cost: false,
            max_turns: false,
            max_cost: false,
            warm: true,
            sessions_travel: true,
        }
    }

    fn risk(&self, tool: &str, input: &Value) -> Risk {
        risk::risk(tool, input)
    }

    /// It takes them from its environment.
    fn takes_credential_early(&self) -> bool {
        true
    }

    fn api_path(&self) -> &'static str {
        "/v1"
    }

    fn rehearsal_model(&self) -> Option<&'static str> {
        Some("gpt-4.1")
    }

    /// GitHub's own models are reached as GitHub says; with an address of the operator's it talks to that alone.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let base_url = setup.base_url.clone().filter(|_| !setup.has_login())?;
        Some(ModelEndpoint { api: setup.spoken_api().unwrap_or(ModelApi::Openai), base_url })
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &[
            "COPILOT_GITHUB_TOKEN",
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_PROVIDER_BEARER_TOKEN",
            "GH_TOKEN",
            "GITHUB_TOKEN",
        ]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.github.com", "api.githubcopilot.com", "*.githubcopilot.com"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::MCP_FILE]
    }

    /// In it a directory for each session, with the session's id as its name.
    fn session_dirs(&self) -> &'static [&'static str] {
        &[".copilot/session-state"]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        if task.is_conversation() {
            self.server(task, setup)
        } else {
            self.program(launch::one_shot(task, setup), task, setup)
        }
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        if task.is_conversation() {
            acp::dialogue(&conversation::DIALECT, self.job(task, setup))
        } else {
            Box::new(LineDialogue::new(decode::Run::default()))
        }
    }

    /// It can wait in a conversation alone. There it asks for more than it is refused in a single run (`echo a > b`, where it may
    /// change files), so it waits for no single run in which it would ask.
    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        if !task.is_conversation() && !setup.allows_all() {
            return None;
        }
        let job = self.job(task, setup).waiting();
        Some((self.server(task, setup), acp::dialogue(&conversation::DIALECT, job)))
    }
}
