//! Whether an agent could be started.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::execute::Executor;
use super::probe::Probe;

/// How long an answer is good: asking for somebody's health must cost nothing.
const FRESH: Duration = Duration::from_secs(60);

/// The version that an agent's program tells of itself, or why it tells none.
pub type AgentHealth = Result<String, String>;

/// What was found out last, by agent.
#[derive(Debug, Default)]
pub struct HealthCache(Mutex<HashMap<String, Arc<Known>>>);

/// What was found out last of one agent, and when. Whoever asks meanwhile waits for the answer.
type Known = Mutex<Option<(Instant, AgentHealth)>>;

impl Executor {
    /// Asks the agent's program for its version; what was found out within the last minute is told again unless it is to
    /// be `fresh`. Whoever asks meanwhile waits for the same answer.
    pub async fn agent_health(&self, agent: &str, fresh: bool) -> AgentHealth {
        let entry = Arc::clone(self.health.0.lock().await.entry(agent.to_owned()).or_default());
        let mut known = entry.lock().await;
        if let Some((at, health)) = &*known
            && !fresh
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = self.ask_version(agent).await;
        *known = Some((Instant::now(), health.clone()));
        health
    }

    async fn ask_version(&self, agent: &str) -> AgentHealth {
        let found = self.config.known_agents.find(agent).ok_or_else(|| format!("there is no agent `{agent}`"))?;
        let settings = self.config.agent(agent);
        let named = settings.program.clone().unwrap_or_else(|| found.default_program().into());
        let program = self.programs.find(found, &settings);
        let program = program.ok_or_else(|| format!("{} is not there. {}", named.display(), found.install_hint()))?;
        let probe = Probe {
            runner: self.runner.clone(),
            scratch: self.runs.clone(),
            path: self.path.clone(),
            node: self.node.clone(),
        };
        probe.first_line(&program, "--version").await
    }
}
