//! OpenCode, as `opencode serve`: a server on loopback that is asked for a session and told its messages by HTTP, and tells
//! what it does in server-sent events. Whoever runs it is between it and the dialogue (see
//! [`HttpServer`](crate::HttpServer)).
//!
//! Everything here was measured on the real program: recordings of what came over the bridge, and of which version, are under
//! `fixtures/opencode/`.

mod launch;

mod dialogue;

mod events;
mod parts;
mod permissions;
mod requests;
mod risk;
mod verdict;
mod wire;

use legwork_model::{ModelApi, Risk, Task};
use serde_json::Value;

use crate::agent::{Agent, Capabilities, Dialogue, Launch, ModelEndpoint, Package, Setup, Stdin};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "OpenCode";

/// The adapter for OpenCode, a command-line agent that works with models of many vendors.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenCode;

impl Agent for OpenCode {
    fn name(&self) -> &str {
        "opencode"
    }

    fn default_program(&self) -> &str {
        "opencode"
    }

    fn install_hint(&self) -> &str {
        "Install it with `legwork agents install opencode`, or with `npm install -g opencode-ai`."
    }

    fn package(&self) -> Option<Package> {
        // One package for each platform. `opencode-ai` itself may hold a launcher, which the names must not fit.
        Some(Package {
            name: "opencode-ai",
            version: "1.18.33",
            programs: &[
                "opencode-linux-*/bin/opencode",
                "opencode-darwin-*/bin/opencode",
                "opencode-ai/node_modules/opencode-linux-*/bin/opencode",
                "opencode-ai/node_modules/opencode-darwin-*/bin/opencode",
            ],
        })
    }

    /// The first with the requests that are used here, as far as was tried.
    fn oldest_version(&self) -> Option<&'static str> {
        Some("1.18.33")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            fork: true,
            follow_up: true,
            interrupt: true,
            permissions: true,
            tool_rules: false,
            mcp: true,
            system_prompt: true,
            usage: true,
            // It knows no prices of a model that it is told of.
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

    /// They are in the settings that it reads when it starts.
    fn takes_credential_early(&self) -> bool {
        true
    }

    fn api_path(&self) -> &'static str {
        "/v1"
    }

    fn rehearsal_model(&self) -> Option<&'static str> {
        Some("gpt-4.1")
    }

    /// The vendors of a login have addresses of their own.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let endpoint = match setup.spoken_api() {
            Some(ModelApi::Anthropic) => ModelEndpoint::new(ModelApi::Anthropic, setup, "https://api.anthropic.com/v1"),
            _ => ModelEndpoint::new(ModelApi::Openai, setup, "https://api.openai.com/v1"),
        };
        (!setup.has_login()).then_some(endpoint)
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &["OPENCODE_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENCODE_AUTH_JSON"]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.openai.com", "api.anthropic.com", "opencode.ai"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::LOGIN_FILE, launch::CONFIG_FILE]
    }

    fn session_dirs(&self) -> &'static [&'static str] {
        &[".local/share/opencode"]
    }

    /// All sessions of a home are in one database, with its log beside it.
    fn session_mark<'a>(&self, _: &'a str) -> &'a str {
        "opencode.db"
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        Launch {
            program: setup.program.clone(),
            args: launch::args(),
            env: environment(self, task, setup, launch::env(setup)),
            files: launch::files(task, setup),
            stdin: Stdin { bytes: Vec::new(), open_until_turn_ends: true },
            serves: true,
            http: Some(launch::server()),
        }
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        Box::new(LineDialogue::new(dialogue::Run::new(task, setup)))
    }

    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        let dialogue = LineDialogue::new(dialogue::Run::waiting(task, setup));
        Some((self.launch(task, setup), Box::new(dialogue)))
    }
}
