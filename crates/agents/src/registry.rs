//! The agents that this build knows, and those that the operator has described.

use std::sync::Arc;

use crate::agent::Agent;
use crate::claude_code::ClaudeCode;
use crate::codex::Codex;
use crate::copilot::Copilot;
use crate::cursor::Cursor;
use crate::custom::Custom;
use crate::gemini::Gemini;
use crate::opencode::OpenCode;

static AGENTS: [&dyn Agent; 6] = [&ClaudeCode, &Codex, &Gemini, &Copilot, &OpenCode, &Cursor];

/// All agents that this build knows, in the order they are listed to users.
pub fn known_agents() -> &'static [&'static dyn Agent] {
    &AGENTS
}

/// The agent of that name, of those that this build knows.
pub fn find_agent(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().copied().find(|agent| agent.name() == name)
}

/// All agents of one service: those that this build knows, then those that the operator has described. Cheap to clone.
#[derive(Clone)]
pub struct Agents(Arc<[&'static dyn Agent]>);

impl Agents {
    /// With these agents beside the known ones. They live as long as the process: whoever runs them holds them in many
    /// places, and there is one configuration in the life of a process.
    ///
    /// # Errors
    /// Where two would have the same name.
    pub fn with(custom: Vec<Custom>) -> Result<Self, NameTaken> {
        let mut agents = AGENTS.to_vec();
        for agent in custom {
            if agents.iter().any(|other| other.name() == agent.name()) {
                return Err(NameTaken { name: agent.name().to_owned() });
            }
            agents.push(Box::leak(Box::new(agent)));
        }
        Ok(Self(agents.into()))
    }

    /// All agents, in the order they are listed to users.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn Agent> + Clone {
        self.0.iter().copied()
    }

    /// Their names, in that order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.all().map(Agent::name)
    }

    /// The agent of that name.
    pub fn find(&self, name: &str) -> Option<&'static dyn Agent> {
        self.all().find(|agent| agent.name() == name)
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self(AGENTS.as_slice().into())
    }
}

impl std::fmt::Debug for Agents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Two agents would have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is already an agent `{name}`; give the agent of your own another name")]
pub struct NameTaken {
    /// The name.
    pub name: String,
}
