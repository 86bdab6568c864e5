//! Codex, as `codex app-server`: a server on standard input and output that is asked for a thread and its turns. Where the
//! operator wants it, as `codex exec --json` instead, which runs one prompt and takes no orders.
//!
//! Everything here was measured on the real program, and is named as in the schema that it prints itself
//! (`codex app-server generate-json-schema`): recordings of its output, and of which version, are under `fixtures/codex/`.

mod launch;

mod app_server;
mod exec;

mod accounting;
mod approvals;
mod config;
mod items;
mod methods;
mod requests;
mod risk;
mod shell;
mod stance;
mod verdict;
mod wire;

use legwork_model::{ModelApi, Risk, Task};
use serde_json::Value;

use crate::agent::{Agent, Capabilities, Dialogue, Launch, ModelEndpoint, Opening, Package, Setup};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "Codex";

/// The adapter for Codex, OpenAI's command-line agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Codex;

impl Agent for Codex {
    fn name(&self) -> &str {
        "codex"
    }

    fn default_program(&self) -> &str {
        "codex"
    }

    fn install_hint(&self) -> &str {
        "Install it with `legwork agents install codex`, or with `npm install -g @openai/codex`."
    }

    fn package(&self) -> Option<Package> {
        // The launcher that npm puts into `.bin` dies alone when it is killed: the agent below it works on.
        Some(Package {
            name: "@openai/codex",
            version: "0.169.0",
            programs: &[
                "@openai/codex-*/vendor/*/bin/codex",
                "@openai/codex/node_modules/@openai/codex-*/vendor/*/bin/codex",
            ],
        })
    }

    /// The first with the requests that are used here, as far as was tried.
    fn oldest_version(&self) -> Option<&'static str> {
        Some("0.169.0")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            fork: true,
            follow_up: true,
            interrupt: true,
            permissions: true,
            // What it may do is a matter of its sandbox; there are no rules for single tools.
            tool_rules: false,
            mcp: true,
            system_prompt: true,
            usage: true,
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

    fn api_path(&self) -> &'static str {
        "/v1"
    }

    fn rehearsal_model(&self) -> Option<&'static str> {
        Some("gpt-5.5")
    }

    /// A login goes to another API, with another address.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let endpoint = ModelEndpoint::new(ModelApi::Openai, setup, "https://api.openai.com/v1");
        (!setup.has_login()).then_some(endpoint)
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &["OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_AUTH_JSON"]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.openai.com", "auth.openai.com", "chatgpt.com"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::LOGIN_FILE, launch::CONFIG_FILE]
    }

    /// One file for each session. That of a forked one only holds what came after the fork, and is of no use without that
    /// of the session it was forked from.
    fn session_dirs(&self) -> &'static [&'static str] {
        &[".codex/sessions"]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        let input =
            if setup.one_shot { task.prompt.clone() } else { requests::hello() + &requests::thread(task, setup) };
        self.launch_with(task, setup, input)
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        if setup.one_shot {
            Box::new(LineDialogue::new(exec::Run::new(task)))
        } else {
            let opening = Opening { prompt: task.prompt.clone(), ..Opening::default() };
            Box::new(LineDialogue::new(app_server::Run::new(task, setup, Some(opening))))
        }
    }

    /// The key of the model's API comes with the request for a thread, so that it need not be known before. The file of a
    /// login is read when the program starts and has to be in `setup`.
    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        if setup.one_shot {
            return None;
        }
        let launch = self.launch_with(task, setup, requests::hello());
        Some((launch, Box::new(LineDialogue::new(app_server::Run::new(task, setup, None)))))
    }
}

impl Codex {
    fn launch_with(&self, task: &Task, setup: &Setup, input: String) -> Launch {
        let setup = &launch::with_own_tmp(setup);
        Launch {
            program: setup.program.clone(),
            args: launch::args(task, setup),
            env: environment(self, task, setup, launch::env(setup)),
            files: launch::files(task, setup),
            stdin: launch::stdin(setup, input),
            serves: !setup.one_shot,
            http: None,
        }
    }
}
