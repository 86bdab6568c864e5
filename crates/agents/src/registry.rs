//! The agents that this build knows, and those that the operator has described.

use std::sync::Arc;

use crate::agent::Agent;
use crate::claude_code::ClaudeCode;
use crate::copilot::Copilot;
use crate::cursor::Cursor;
use crate::custom::Custom;
use crate::gemini::Gemini;

static AGENTS: [&dyn Agent; 4] = [&ClaudeCode, &Gemini, &Copilot, &Cursor];

/// All agents that this build knows, in the order they are listed to users.
pub fn known_agents() -> &'static [&'static dyn Agent] {
    &AGENTS
}

/// The agent of that name, of those that this build knows.
pub fn find_agent(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().copied().find(|agent| agent.name() == name)
}

/// All agents of one service: those that this build knows, then those that the operator has described. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    custom: Arc<[Custom]>,
}

impl Agents {
    /// With these agents beside the known ones.
    pub fn with(custom: Vec<Custom>) -> Result<Self, NameTaken> {
        for (index, agent) in custom.iter().enumerate() {
            let name = agent.name();
            if find_agent(name).is_some() || custom[..index].iter().any(|other| other.name() == name) {
                return Err(NameTaken { name: name.to_owned() });
            }
        }
        Ok(Self { custom: custom.into() })
    }

    /// All agents, in the order they are listed to users.
    pub fn all(&self) -> impl Iterator<Item = &dyn Agent> {
        let custom = self.custom.iter().map(|agent| agent as &dyn Agent);
        AGENTS.iter().map(|agent| *agent as &dyn Agent).chain(custom)
    }

    /// The agent of that name.
    pub fn find(&self, name: &str) -> Option<&dyn Agent> {
        self.all().find(|agent| agent.name() == name)
    }
}

/// Two agents would have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is already an agent `{name}`; give the agent of your own another name")]
pub struct NameTaken {
    /// The name.
    pub name: String,
}
