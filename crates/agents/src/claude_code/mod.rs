//! Claude Code, as `claude -p` with lines of JSON on both ends.
//!
//! Everything here was measured on the real program: recordings of its output, and of which version, are under
//! `fixtures/claude-code/`.

mod accounting;
mod control;
mod decode;
mod launch;
mod risk;
mod verdict;
mod wire;

use legwork_model::{ModelApi, Risk, Task};
use serde_json::Value;

use crate::agent::{Agent, Capabilities, Dialogue, Launch, ModelEndpoint, Package, Setup};
use crate::environment::environment;
use crate::lines::LineDialogue;

/// As it is called in a sentence.
const NAME: &str = "Claude Code";

/// The adapter for Claude Code, Anthropic's command-line agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClaudeCode;

impl Agent for ClaudeCode {
    fn name(&self) -> &str {
        "claude-code"
    }

    fn default_program(&self) -> &str {
        "claude"
    }

    fn install_hint(&self) -> &str {
        "Install it with `legwork agents install claude-code`, or with `npm install -g @anthropic-ai/claude-code`."
    }

    fn package(&self) -> Option<Package> {
        // One package for each platform; npm may lay down more than one (glibc and musl).
        Some(Package {
            name: "@anthropic-ai/claude-code",
            version: "2.1.329",
            programs: &["@anthropic-ai/claude-code-*/claude"],
        })
    }

    /// The first with the control requests that are used here, as far as was tried.
    fn oldest_version(&self) -> Option<&'static str> {
        Some("2.1.197")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            fork: true,
            follow_up: true,
            interrupt: true,
            permissions: true,
            tool_rules: true,
            mcp: true,
            system_prompt: true,
            usage: true,
            cost: true,
            max_turns: true,
            max_cost: true,
            warm: true,
            sessions_travel: true,
        }
    }

    fn risk(&self, tool: &str, input: &Value) -> Risk {
        risk::risk(tool, input)
    }

    fn takes_variables_late(&self) -> bool {
        true
    }

    fn misses_credential(&self) -> bool {
        true
    }

    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        Some(ModelEndpoint::new(ModelApi::Anthropic, setup, "https://api.anthropic.com"))
    }

    fn credential_variables(&self) -> &'static [&'static str] {
        &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_CREDENTIALS_JSON"]
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.anthropic.com", "platform.claude.com", "console.anthropic.com"]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::LOGIN_FILE, launch::MCP_FILE]
    }

    fn session_dirs(&self) -> &'static [&'static str] {
        &[".claude/projects"]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        Launch {
            program: setup.program.clone(),
            args: launch::args(task, setup),
            env: environment(self, task, setup, launch::env(setup)),
            files: launch::files(task, setup),
            stdin: launch::stdin(control::opening(task)),
            serves: false,
            http: None,
        }
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        let run = decode::Run::new(task.permissions.clone(), setup.credential.is_some());
        Box::new(LineDialogue::new(run))
    }

    fn waiting(&self, task: &Task, setup: &Setup) -> Option<(Launch, Box<dyn Dialogue>)> {
        let launch = Launch {
            stdin: launch::stdin(control::initialize(task.permissions.is_some())),
            ..self.launch(task, setup)
        };
        Some((launch, self.dialogue(task, setup)))
    }
}
