//! Cursor's command-line agent: `cursor-agent acp` where somebody may talk to it, else `cursor-agent -p`.
//!
//! Built from its documentation alone (<https://cursor.com/docs/cli>): it needs an account and takes no other model's
//! address, so that it could not be tried. What its lines look like was taken from the reference of its output format and of
//! its ACP server; the fixtures were made up after them.

mod conversation;
mod decode;
mod launch;
mod risk;
mod wire;

use legwork_model::{Risk, Task};
use serde_json::Value;

use crate::acp::{self, Job};
use crate::agent::{Agent, Capabilities, Dialogue, Launch, Setup, Stdin};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "Cursor";

/// The adapter for Cursor's command-line agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor;

impl Agent for Cursor {
    fn name(&self) -> &str {
        "cursor"
    }

    fn default_program(&self) -> &str {
        "cursor-agent"
    }

    fn install_hint(&self) -> &str {
        "Install it with `curl https://cursor.com/install -fsS | bash`."
    }

    fn verified(&self) -> bool {
        false
    }

    /// It tells its tokens in a single run alone.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            fork: false,
            follow_up: true,
            interrupt: true,
            permissions: true,
            tool_rules: true,
            mcp: true,
            system_prompt: false,
            usage: true,
            cost: false,
            max_turns: false,
            max_cost: false,
            warm: false,
            sessions_travel: false,
        }
    }

    fn risk(&self, tool: &str, input: &Value) -> Risk {
        risk::risk(tool, input)
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &["CURSOR_API_KEY", "CURSOR_AUTH_TOKEN"]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api2.cursor.sh", "*.cursor.sh"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::MCP_FILE]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        let conversation = task.is_conversation();
        let prompt = Stdin { bytes: task.prompt.clone().into_bytes(), open_until_turn_ends: false };
        Launch {
            program: setup.program.clone(),
            args: launch::args(task, setup),
            env: environment(self, task, setup, launch::env(setup)),
            files: launch::files(task, setup),
            stdin: if conversation { acp::stdin() } else { prompt },
            // A single run as well may stay after its result.
            serves: true,
            http: None,
        }
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        if task.is_conversation() {
            acp::dialogue(&conversation::DIALECT, Job::new(NAME, task, setup))
        } else {
            Box::new(LineDialogue::new(decode::Run::default()))
        }
    }
}
