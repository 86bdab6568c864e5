//! Giving a job the outcome of an equal one, where its caller lets it be so.
//!
//! Nobody waits for an equal job that still runs: both run, and later ones get the outcome of whichever ended last.

use std::collections::BTreeMap;
use std::path::Path;

use legwork_model::{Cached, Cost, EventBody, Outcome, Task, Verdict};
use legwork_runner::workspace::{Patch, PatchError, references};
use serde_json::Value;
use tokio::sync::mpsc;

use super::execute::{Done, Executor, Model};
use super::fingerprint::{Fingerprint, Ingredients, Program, essence};
use super::prepared::Prepared;
use crate::store::ExecutionRecord;
use crate::store::kept::Kept;

/// Why no equal job can be told.
#[derive(Debug, thiserror::Error)]
enum Unequalled {
    #[error("the agent's program can't be found")]
    NoProgram,
    #[error("the run uses a container that is kept, and what is in there is not known")]
    KeptContainer,
    #[error(transparent)]
    Workspace(#[from] PatchError),
}

impl Executor {
    /// The end of a job that gets the outcome of an equal one. Else it runs, and `prepared` has by what equal ones find it.
    pub(super) async fn cached(
        &self,
        record: &ExecutionRecord,
        prepared: &mut Prepared,
        events: &mpsc::Sender<EventBody>,
    ) -> Option<Done> {
        let seconds = record.task.cache_ttl_seconds?;
        // More than its prompt has a say in what becomes of it.
        if record.parks > 0 || record.orders > 0 {
            return None;
        }
        match self.fingerprint(record, prepared).await {
            Ok(fingerprint) => prepared.fingerprint = Some(fingerprint),
            Err(error) => {
                tell(events, "cache_unavailable", [("error", error.to_string().into())]).await;
                return None;
            }
        }
        // Who asks for another try wants one.
        if record.retry_of.is_some() {
            return None;
        }
        let found = self.equal(prepared, seconds).await;
        let outcome = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("legwork_cache_lookups_total", "outcome" => outcome).increment(1);
        let (equal, kept) = found?;
        let dirs = prepared.dirs.clone();
        let removed = tokio::task::spawn_blocking(move || dirs.remove()).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(execution = %record.id, ?removed, "the directories of a run that needs none can't be removed");
        }
        let outcome = copied(&equal)?;
        tell_outcome(events, &outcome).await;
        Some(Done { kept: Kept { fingerprint: None, ..kept }, ..Done::with(outcome) })
    }

    async fn fingerprint(&self, record: &ExecutionRecord, prepared: &Prepared) -> Result<Fingerprint, Unequalled> {
        let Prepared { task, workspace, setup, .. } = prepared;
        if task.sandbox.container.as_ref().is_some_and(|container| container.keep.is_some()) {
            return Err(Unequalled::KeptContainer);
        }
        let state = match &prepared.commit {
            Some(commit) => commit.clone(),
            None => workspace.state(&self.runner, &prepared.git, &prepared.dirs).await?,
        };
        let ingredients = Ingredients {
            legwork: env!("CARGO_PKG_VERSION"),
            owner: record.created_by.as_deref(),
            task: essence(task),
            program: Program::at(&setup.program).ok_or(Unequalled::NoProgram)?,
            path: &self.path,
            settings: &self.config.agent(&task.agent),
            confinement: &self.config.sandbox,
            sandbox: prepared.confined.confinement.kind,
            rehearses: self.model != Model::Configured,
            state: &state,
        };
        Ok(Fingerprint { digest: ingredients.digest(), references: references_of(task)? })
    }

    /// An equal job, and what it left. One that changed an operator's directory has done there what nobody does again here.
    async fn equal(&self, prepared: &Prepared, seconds: u64) -> Option<(ExecutionRecord, Kept)> {
        let fingerprint = prepared.fingerprint.as_ref()?;
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
        let found = self.store.cached(&fingerprint.digest, self.clock.now().plus_millis(-millis)).await;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to look for an equal run; the job runs");
            None
        });
        let is_shared = prepared.task.workspace.is_some();
        found.filter(|(_, kept)| !is_shared || kept.patch.as_ref().is_some_and(Vec::is_empty))
    }
}

/// By what equal jobs find a run of `task` that has ended, where they may: `patch` is what it changed, `orders` is how many it
/// was given.
pub(super) fn found_by(
    fingerprint: Option<&Fingerprint>,
    task: &Task,
    outcome: &Outcome,
    patch: &Patch,
    orders: u64,
) -> Option<String> {
    let Fingerprint { digest, references } = fingerprint?;
    let is_repeatable = outcome.verdict == Verdict::Succeeded && patch.is_whole() && orders == 0;
    // A commit is a change, too, although no patch shows it.
    let is_left = || references_of(task).is_ok_and(|after| after == *references);
    (is_repeatable && is_left()).then(|| digest.clone())
}

/// Where the branches of an operator's directory are. What becomes of a run's own ends with it.
fn references_of(task: &Task) -> Result<String, PatchError> {
    task.workspace.as_ref().map_or(Ok(String::new()), |path| references(Path::new(path)))
}

/// What a job gets of an equal one. The session stays with that: it is in its directories.
fn copied(equal: &ExecutionRecord) -> Option<Outcome> {
    let cached = Cached { execution_id: equal.id, at: equal.finished_at? };
    Some(Outcome {
        result: equal.outcome.as_ref()?.result.clone(),
        cost_usd: Some(Cost::default()),
        cached: Some(Box::new(cached)),
        ..Outcome::without_run(Verdict::Succeeded)
    })
}

/// Says what an agent would have said at its end, and whose words they are.
async fn tell_outcome(events: &mpsc::Sender<EventBody>, outcome: &Outcome) {
    if let Some(cached) = &outcome.cached {
        let fields = [("executionId", cached.execution_id.to_string().into()), ("at", cached.at.to_string().into())];
        tell(events, "cached", fields).await;
    }
    let text = outcome.result.clone().map(|text| EventBody::Text { text, parent_tool_call_id: None });
    let ended = EventBody::TurnEnded { result: outcome.result.clone(), is_error: false };
    for event in text.into_iter().chain([ended]) {
        // The log may have ended the run already; then nobody misses the event.
        let _ = events.send(event).await;
    }
}

async fn tell<const N: usize>(events: &mpsc::Sender<EventBody>, topic: &str, fields: [(&str, Value); N]) {
    let fields: BTreeMap<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // The log may have ended the run already; then nobody misses the event.
    let _ = events.send(EventBody::Message { topic: topic.into(), fields }).await;
}

#[cfg(test)]
mod tests {
    use legwork_model::FailureReason;
    use legwork_runner::workspace::{Skipped, SkippedBecause};

    use super::*;

    #[test]
    fn only_what_would_be_the_same_again_is_found() {
        let fingerprint = Fingerprint { digest: "f".into(), references: String::new() };
        let found = |verdict, patch: Patch, orders| {
            let outcome = Outcome::without_run(verdict);
            found_by(Some(&fingerprint), &Task::default(), &outcome, &patch, orders)
        };
        assert_eq!(found(Verdict::Succeeded, Patch::default(), 0).as_deref(), Some("f"));
        assert_eq!(found(Verdict::Succeeded, Patch::default(), 1), None, "somebody talked to it");
        assert_eq!(found(Verdict::Succeeded, Patch { truncated: true, ..Patch::default() }, 0), None);
        let skipped = Skipped { path: "large".into(), because: SkippedBecause::TooLarge };
        assert_eq!(found(Verdict::Succeeded, Patch { skipped: vec![skipped], ..Patch::default() }, 0), None);
        assert_eq!(found(Verdict::failed(FailureReason::AgentError, "no"), Patch::default(), 0), None);
        assert_eq!(
            found_by(None, &Task::default(), &Outcome::without_run(Verdict::Succeeded), &Patch::default(), 0),
            None
        );
    }
}
