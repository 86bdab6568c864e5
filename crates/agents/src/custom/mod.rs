//! An agent of the operator's own, described by configuration alone.

mod check;
mod conversation;
mod json_lines;
mod launch;
mod path;
mod settings;
mod text;

use legwork_model::{Risk, Task};
use serde_json::Value;

pub use check::BadAgent;
pub use settings::{CustomAgent, JsonLines, Output, PromptBy, UsageCount};

use crate::acp::{self, Job};
use crate::agent::{Agent, Capabilities, Dialogue, Launch, ModelEndpoint, Setup};
use crate::environment::{RESERVED, is_among};
use crate::lines::LineDialogue;

/// The adapter for an agent of the operator's own.
#[derive(Debug, Clone)]
pub struct Custom {
    settings: CustomAgent,
    /// How its lines are read, where they are JSON.
    reader: Option<json_lines::Reader>,
    install_hint: String,
}

impl Custom {
    /// The agent that `settings` describe.
    pub fn new(settings: CustomAgent) -> Result<Self, BadAgent> {
        let reader = check::check(&settings)?;
        let install_hint = settings.install_hint.clone().unwrap_or_else(|| {
            format!("Install the program of the agent `{}` that the configuration describes.", settings.name)
        });
        Ok(Self { settings, reader, install_hint })
    }

    fn speaks_acp(&self) -> bool {
        matches!(self.settings.output, Output::Acp)
    }
}

impl Agent for Custom {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn default_program(&self) -> &str {
        &self.settings.program
    }

    fn install_hint(&self) -> &str {
        &self.install_hint
    }

    /// By whoever described it, if at all.
    fn verified(&self) -> bool {
        false
    }

    fn capabilities(&self) -> Capabilities {
        let acp = self.speaks_acp();
        Capabilities {
            resume: acp || !self.settings.resume_args.is_empty(),
            follow_up: acp,
            interrupt: acp,
            permissions: acp,
            mcp: acp,
            usage: self.reader.as_ref().is_some_and(json_lines::Reader::counts),
            ..Capabilities::default()
        }
    }

    fn risk(&self, tool: &str, input: &Value) -> Risk {
        conversation::risk(tool, input)
    }

    /// Where the operator says how its model is talked to, and where.
    fn model_endpoint(&self, setup: &Setup) -> Option<ModelEndpoint> {
        let CustomAgent { credential_variable, base_url_variable, .. } = &self.settings;
        let is_told = credential_variable.is_some() && base_url_variable.is_some() && !setup.has_login();
        let (api, base_url) = setup.spoken_api().zip(setup.base_url.clone()).filter(|_| is_told)?;
        Some(ModelEndpoint { api, base_url })
    }

    /// Its variable has a name of the operator's, and its credential comes from the configuration.
    fn credential_variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn reserved_env(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the operator sets no task may.
    fn reserves_env(&self, name: &str) -> bool {
        let CustomAgent { credential_variable, base_url_variable, env, .. } = &self.settings;
        let named = [credential_variable, base_url_variable].into_iter().flatten().any(|variable| variable == name);
        named || env.contains_key(name) || is_among(name, RESERVED)
    }

    fn credential_files(&self) -> &'static [&'static str] {
        &[]
    }

    fn launch(&self, task: &Task, setup: &Setup) -> Launch {
        launch::launch(self, &self.settings, task, setup)
    }

    fn dialogue(&self, task: &Task, setup: &Setup) -> Box<dyn Dialogue> {
        let name = &self.settings.name;
        match &self.reader {
            _ if self.speaks_acp() => acp::dialogue(&conversation::DIALECT, Job::new(name, task, setup)),
            Some(reader) => Box::new(LineDialogue::new(json_lines::Run::new(name, reader.clone()))),
            None => Box::new(LineDialogue::new(text::Run::new(name))),
        }
    }
}
