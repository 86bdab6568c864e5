//! Claude Code, as `claude -p` with lines of JSON on both ends.
//!
//! Everything here was measured on the real program: recordings of its output, and of which version, are under
//! `fixtures/claude-code/`.

mod accounting;
mod decode;
mod launch;
mod verdict;
mod wire;

use legwork_model::Task;

use crate::agent::{Agent, Capabilities, Decoder, Launch, Setup};

/// The adapter for Claude Code, Anthropic's command-line agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClaudeCode;

impl Agent for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude-code"
    }

    fn default_program(&self) -> &'static str {
        "claude"
    }

    fn install_hint(&self) -> &'static str {
        "Install Claude Code with `npm install -g @anthropic-ai/claude-code`."
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { resume: true, follow_up: true, interrupt: true, cost: true, max_turns: true }
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        launch::RESERVED_ENV
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[launch::LOGIN_FILE]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        Launch {
            program: setup.program.clone(),
            args: launch::args(task, setup),
            env: launch::env(task, setup, |name| self.reserves_env(name)),
            files: launch::files(setup),
            stdin: launch::stdin(&task.prompt),
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::ClaudeDecoder::default())
    }
}
