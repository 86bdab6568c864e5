//! The agents that this build knows.

use crate::agent::Agent;
use crate::claude_code::ClaudeCode;

static AGENTS: [&dyn Agent; 1] = [&ClaudeCode];

/// All agents, in the order they are listed to users.
pub fn known_agents() -> &'static [&'static dyn Agent] {
    &AGENTS
}

/// The agent of that name.
pub fn find_agent(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().copied().find(|agent| agent.name() == name)
}
