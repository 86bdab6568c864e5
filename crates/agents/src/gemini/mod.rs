//! Gemini CLI: `gemini --acp` where somebody may talk to it, else one run with lines of JSON.
//!
//! Everything here was measured on the real program: recordings of its output, and of which version, are under
//! `fixtures/gemini/`.

mod conversation;
mod decode;
mod launch;
mod risk;
mod settings;
mod verdict;
mod wire;

use legwork_model::{ModelApi, Risk, Task};
use serde_json::Value;

use crate::acp::{self, Job};
use crate::agent::{Agent, Capabilities, Credential, Dialogue, Launch, ModelEndpoint, Package, Setup, Stdin};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "Gemini CLI";

/// The adapter for Gemini CLI, Google's command-line agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gemini;

impl Gemini {
    fn job(self, task: &Task, setup: &Setup) -> Job {
        Job::new(NAME, task, setup)
    }

    fn server(self, task: &Task, setup: &Setup) -> Launch {
        Launch { stdin: acp::stdin(), serves: true, ..self.program(launch::conversation(task, setup), task, setup) }
    }

    fn program(self, args: Vec<String>, task: &Task, setup: &Setup) -> Launch {
        Launch {
            program: setup.program.clone(),
            args,
            env: environment(&self, task, setup, launch::env(setup)),
            files: settings::files(task, setup),
            stdin: Stdin { bytes: task.prompt.clone().into_bytes(), open_until_turn_ends: false },
            serves: false,
            http: None,
        }
    }
}

impl Agent for Gemini {
    fn name(&self) -> &str {
        "gemini"
    }

    fn default_program(&self) -> &str {
        "gemini"
    }

    fn install_hint(&self) -> &str {
        "Install it with `legwork agents install gemini`, or with `npm install -g @google/gemini-cli`. It needs Node.js 20."
    }

    fn package(&self) -> Option<Package> {
        // A script for Node.js, which has to be on `PATH`.
        Some(Package {
            name: "@google/gemini-cli",
            version: "0.61.0",
            programs: &["@google/gemini-cli/bundle/gemini.js"],
        })
    }

    /// The one that was tried; no older one was.
    fn oldest_version(&self) -> Option<&'static str> {
        Some("0.61.0")
    }

    /// A program that waits takes its credential with its job, but no variables. It asks for no permission to run a command
    /// that it knows to change nothing, such as `ls`: no rule of ours stops it.
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
            usage: true,
            cost: false,
            max_turns: true,
            max_cost: false,
            warm: true,
            sessions_travel: true,
        }
    }

    fn risk(&self, tool: &str, input: &Value) -> Risk {
        risk::risk(tool, input)
    }

    /// Logins go to another API, which can be told no address.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let is_login = setup.has_login() || matches!(setup.credential, Some(Credential::OauthToken(_)));
        let endpoint = ModelEndpoint::new(ModelApi::Gemini, setup, "https://generativelanguage.googleapis.com");
        (!is_login).then_some(endpoint)
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com", "oauth2.googleapis.com"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[settings::LOGIN_FILE, settings::SETTINGS_FILE]
    }

    /// In it a directory for each working directory, with a file for each session that has the first part of its id in its
    /// name.
    fn session_dirs(&self) -> &'static [&'static str] {
        &[".gemini/tmp"]
    }

    /// They are called like `session-2026-11-22T03-30-aabc76e7.jsonl`.
    fn session_mark<'a>(&self, session: &'a str) -> &'a str {
        session.get(..8).unwrap_or(session)
    }

    /// As a conversation it begins a file for a session that it continues, writes over one of the same minute by that, and
    /// removes both files when it starts again: it takes the new one, which nothing is said in, for broken.
    fn session_file(&self, session: &str) -> Option<String> {
        Some(format!("session-1970-01-01T00-00-{}.jsonl", self.session_mark(session)))
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

    /// It can wait in a conversation alone. In one it asks for tools that it does without in a single run, so it does not wait for
    /// one of those, unless it need not ask.
    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        if !task.is_conversation() && !setup.allows_all() {
            return None;
        }
        let job = self.job(task, setup).waiting();
        Some((self.server(task, setup), acp::dialogue(&conversation::DIALECT, job)))
    }
}
