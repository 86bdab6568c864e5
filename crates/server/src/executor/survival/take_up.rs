//! Taking up the runs of an earlier server process.

use std::collections::HashMap;

use legwork_model::{EventBody, ExecutionId, FailureReason, Verdict};
use legwork_runner::supervisor::Note;
use legwork_runner::{Cookie, Resumed, Resumption, Survivor, TakenUp};

use super::{Memo, Retold, compare};
use crate::executor::prepared::Prepared;
use crate::executor::{Executor, execute};
use crate::store::append::Lease;
use crate::store::{ExecutionRecord, RecordedEvent, StoreError};

/// Events of one read.
const PAGE: u64 = 1000;

/// The runs of earlier server processes that went on. Those that nobody takes up end when this is dropped, or soon after.
#[derive(Debug, Default)]
pub struct Survivors(HashMap<Cookie, Vec<Survivor>>);

/// A run that is taken up, and is where it was.
pub(in crate::executor) struct Resuming {
    pub(in crate::executor) resumed: Resumed,
    /// Events of its dialogue that are on record.
    pub(in crate::executor) known: Vec<EventBody>,
    /// Those that are not.
    pub(in crate::executor) fresh: Vec<EventBody>,
    /// What a further process begins with that was not started.
    pub(in crate::executor) begun: Option<EventBody>,
    /// What the agent was told.
    pub(in crate::executor) notes: Vec<Note>,
}

/// The marks that the processes of a run may have: its own, or that of its directories, where its program was started ahead of
/// its job.
pub(in crate::executor) fn marks(node: &str, lease: Lease, home: ExecutionId) -> [Cookie; 2] {
    [Cookie::new(node, lease.id, u64::try_from(lease.fence).unwrap_or(0)), Cookie::new(node, home, 0)]
}

impl Survivors {
    /// Takes up the run of an execution, if it went on.
    pub async fn take_up(&mut self, node: &str, record: &ExecutionRecord) -> Option<TakenUp> {
        let lease = Lease { id: record.id, fence: record.fence };
        let mut kept = Vec::new();
        for survivor in marks(node, lease, record.home).iter().flat_map(|mark| self.0.remove(mark)).flatten() {
            let taken = survivor.take_up().await;
            let taken =
                taken.inspect_err(|error| tracing::warn!(%error, execution = %record.id, "a run can't be taken up"));
            kept.extend(taken.ok().flatten().filter(|taken| !taken.memo().is_empty()));
        }
        // Where a process had just taken the place of one that has ended, each may be with a supervisor of its own.
        kept.into_iter().max_by_key(|taken| Memo::read(taken.memo()).map_or(0, |memo| memo.before.last_seq))
    }

    /// Ends those that nobody has a use for.
    pub async fn end(self) {
        for survivor in self.0.into_values().flatten() {
            // Taken up and dropped is ended; one that can't be reached ends by itself.
            drop(survivor.take_up().await);
        }
    }
}

impl Executor {
    /// The runs of earlier server processes of this node that went on.
    pub async fn survivors(&self) -> Survivors {
        let survivors = self.runner.survivors().await.unwrap_or_else(|error| {
            tracing::error!(%error, "failed to look for runs that went on without their server");
            Vec::new()
        });
        let mut by_mark: HashMap<Cookie, Vec<Survivor>> = HashMap::new();
        for survivor in survivors {
            by_mark.entry(survivor.cookie().clone()).or_default().push(survivor);
        }
        Survivors(by_mark)
    }

    /// Brings a run that was taken up to where it was.
    pub(in crate::executor) async fn take_up(
        &self,
        record: &ExecutionRecord,
        survivor: execute::Survivor,
    ) -> Result<(Prepared, Resuming), Verdict> {
        let lost = |why: String| Verdict::failed(FailureReason::Lost, format!("The run could not be taken up: {why}."));
        let execute::Survivor { taken, recorded } = survivor;
        let memo = Memo::read(taken.memo()).map_err(|error| lost(error.to_string()))?;
        let waited = memo.waited;
        let prepared = self.prepared_before(record, memo).await?;
        let (launch, dialogue) = if waited {
            let launched = prepared.launched_ahead();
            launched.ok_or_else(|| lost("this version does not start its agent ahead of a job".into()))?
        } else {
            (prepared.launched(), prepared.dialogue())
        };
        let resumption = Resumption {
            limits: prepared.task.limits.clone(),
            idle: prepared.idle(),
            stdout_path: prepared.dirs.stdout(),
            so_far: prepared.before.printed,
            listens: launch.stdin.open_until_turn_ends,
            confinement: prepared.confined.confinement.clone(),
            serves: launch.serves,
        };
        let notes = taken.notes().to_vec();
        let mut resumed =
            self.runner.resume(taken, resumption, dialogue).await.map_err(|error| lost(error.to_string()))?;
        let events = std::mem::take(&mut resumed.events);
        let Retold { known, fresh, begun } = compare(events, &recorded, prepared.before.last_seq);
        tracing::info!(execution = %record.id, known = known.len(), fresh = fresh.len(), "goes on with a run of an earlier server");
        Ok((prepared, Resuming { resumed, known, fresh, begun, notes }))
    }

    /// All events that are on record of an execution.
    pub(in crate::executor) async fn recorded(&self, id: ExecutionId) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut all: Vec<RecordedEvent> = Vec::new();
        loop {
            let page = self.store.events_after(id, all.last().map_or(0, |event| event.seq), PAGE).await?;
            let is_last = (page.len() as u64) < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}
