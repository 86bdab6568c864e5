//! Agents whose models can't be asked now: their jobs wait in their lanes.

use legwork_model::{Timestamp, Waiting};

use super::books::waiting;
use crate::executor::{Executor, Model};

impl Executor {
    /// The agents that are left alone for now: none of their credentials can be used.
    pub fn held_agents(&self, now: Timestamp) -> Vec<String> {
        self.holds(now).map(|(agent, _)| agent.to_owned()).collect()
    }

    /// Until when the first of them is.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.holds(now).filter_map(|(_, waiting)| waiting.until).min()
    }

    /// What the jobs of an agent wait for, if they do.
    pub fn agent_waits(&self, agent: &str, now: Timestamp) -> Option<Waiting> {
        self.holds(now).find(|(held, _)| *held == agent).map(|(_, waiting)| waiting)
    }

    fn holds(&self, now: Timestamp) -> impl Iterator<Item = (&str, Waiting)> {
        // Who rehearses has a credential of its own for each run.
        let models = self.models.as_ref().filter(|_| self.model == Model::Configured);
        let pools = models.into_iter().flat_map(|models| models.pools.iter());
        pools.filter_map(move |(agent, pool)| Some((agent, waiting(pool.held(now)?))))
    }
}
