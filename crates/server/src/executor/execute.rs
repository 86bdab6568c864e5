//! From claim to final state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Clock, EventBody, ExecutionId, ExecutionState, Failure, FailureReason, Outcome, Verdict, Waiting};
use legwork_runner::supervisor::Hold;
use legwork_runner::workspace::Ssh;
use legwork_runner::{Docker, Runner, StopReason, TakenUp};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::approvals::Approvals;
use super::bells::{Bell, Bells};
use super::confinement::{Kinds, Uplinks};
use super::health::HealthCache;
use super::models::Models;
use super::programs::Programs;
use super::seat::Seat;
use super::talk::Talk;
use super::vault::Vault;
use super::warm::WarmPool;
use crate::alarm;
use crate::config::Config;
use crate::events::{Appended, Asked, Barrier, Hub, RunLog, Signal};
use crate::lifecycle::Phase;
use crate::mask::Mask;
use crate::store::append::Lease;
use crate::store::kept::Kept;
use crate::store::lose::{Lose, Lost};
use crate::store::{ExecutionRecord, RecordedEvent, Store, StoreError};

/// Events that may wait between the agent and its log.
pub(super) const EVENTS: usize = 256;

/// How long to leave the database alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Which model agents talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// The one of their settings.
    Configured,
    /// The rehearsal model.
    Rehearsal {
        /// Where it listens.
        base_url: String,
    },
}

/// A run of an earlier server process.
pub(super) struct Survivor {
    pub(super) taken: TakenUp,
    /// What is on record of it.
    pub(super) recorded: Vec<RecordedEvent>,
}

/// A run that is to be put on record.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) kept: Kept,
    pub(super) hold: Option<Hold>,
    /// What it waits for, instead of having ended.
    pub(super) waiting: Option<Waiting>,
}

impl Done {
    pub(super) fn without_run(verdict: Verdict) -> Self {
        Self::with(Outcome::without_run(verdict))
    }

    /// Ended so, without a process.
    pub(super) fn with(outcome: Outcome) -> Self {
        Self { outcome, kept: Kept::default(), hold: None, waiting: None }
    }
}

/// Runs executions on this node.
pub struct Executor {
    /// Where they are recorded.
    pub store: Store,
    /// Where live readers are told.
    pub hub: Hub,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The settings.
    pub config: Arc<Config>,
    /// Starts and ends processes.
    pub runner: Runner,
    /// Where run directories are.
    pub runs: PathBuf,
    /// This node's name in leases and cookies.
    pub node: String,
    /// The program that gives git a token.
    pub askpass: PathBuf,
    /// How git reaches repositories over SSH.
    pub ssh: Option<Arc<Ssh>>,
    /// `PATH` of agents.
    pub path: String,
    /// Where their programs are.
    pub programs: Programs,
    /// Which model they talk to.
    pub model: Model,
    /// Secrets to keep out of what is recorded.
    pub mask: Mask,
    /// What single runs authenticate with.
    pub vault: Vault,
    /// What is known of the agents' programs.
    pub health: HealthCache,
    /// Where this process stands.
    pub phase: Phase,
    /// Agents that were started ahead of their jobs.
    pub warm: WarmPool,
    /// Tells runs that there are orders for them.
    pub bells: Bells,
    /// Which kinds of sandbox work here.
    pub kinds: Kinds,
    /// Containers.
    pub docker: Docker,
    /// Makes the ways out of runs.
    pub uplinks: Uplinks,
    /// What they reach their models by; without it they have the credentials.
    pub models: Option<Arc<Models>>,
}

impl Executor {
    /// Runs a claimed execution to its end and records it. `stop` is heeded at any time; the run's own log uses it to
    /// stop an agent whose events can't be recorded.
    ///
    /// Gives what the execution waits for, where it has not ended and will be claimed again.
    ///
    /// `survivor` is the run where an earlier server process started it.
    /// `seat` is given back while the agent has nothing to do and once it has ended, `bell` rings when there are orders for it.
    pub async fn execute(
        &self,
        record: ExecutionRecord,
        survivor: Option<TakenUp>,
        stop: watch::Sender<Option<StopReason>>,
        seat: &dyn Seat,
        bell: Bell,
    ) -> Option<Waiting> {
        let lease = Lease { id: record.id, fence: record.fence };
        if let Some(models) = &self.models {
            self.vault.mask(record.id, &models.token(lease));
        }
        let mut log = RunLog::new(
            self.store.clone(),
            self.hub.clone(),
            Arc::clone(&self.clock),
            self.mask_of(record.id),
            &record,
            self.config.known_agents.find(&record.task.agent),
        );
        let survivor = match survivor {
            Some(taken) => match self.recorded(record.id).await {
                Ok(recorded) => {
                    log.goes_on_after(&recorded);
                    Some(Survivor { taken, recorded })
                }
                Err(error) => {
                    self.lose(lease, &format!("Its events can't be read: {error}."), true).await;
                    return None;
                }
            },
            None => None,
        };
        let (events, mut inbox) = mpsc::channel(EVENTS);
        let mut talk = Talk::new(self, record.id, seat, bell, Approvals::new(self.patience(&record)), record.heard);
        let (barrier, asked) = Barrier::new();
        let running = Box::pin(self.attempt(&record, survivor, events, &barrier, &stop, &mut talk));
        let recording = record_events(&mut log, &mut inbox, asked, &stop);
        let (done, ()) = tokio::join!(running, recording);
        let Some(Done { outcome, kept, hold, waiting }) = done else {
            self.leave(&mut log, lease).await;
            return None;
        };
        let stopped = stop.borrow().clone();
        match stopped {
            None | Some(StopReason::Failed(_)) if waiting.is_some() => {
                self.put_by(record.id, &kept).await;
                if let Some(waiting) = waiting
                    && self.park(&mut log, &record, &outcome, waiting, talk.heard()).await
                {
                    return Some(waiting);
                }
            }
            Some(StopReason::LeaseLost) => {
                tracing::warn!(execution = %record.id, "lost the lease of a run; its agent was ended");
            }
            Some(StopReason::Shutdown | StopReason::Leave) if outcome.verdict != Verdict::Succeeded => {
                self.give_back(&mut log, lease, &outcome).await;
            }
            _ => {
                // While it is put on record how this one ended, the next agent can start.
                seat.release();
                self.finish(&mut log, &record, outcome, kept, &mut talk).await;
            }
        }
        self.vault.forget(record.id);
        // It is on record how the run ended: no later server has to know.
        drop(hold);
        None
    }

    /// What is kept out of everything that a run shows.
    pub(super) fn mask_of(&self, id: ExecutionId) -> Mask {
        self.mask.of(id)
    }

    /// How long people have to decide what the agent of a run may do.
    fn patience(&self, record: &ExecutionRecord) -> Duration {
        let asked = record.task.permissions.as_ref().and_then(|policy| policy.timeout_seconds);
        Duration::from_secs(asked.unwrap_or(self.config.approvals.timeout_seconds))
    }

    async fn finish(
        &self,
        log: &mut RunLog,
        record: &ExecutionRecord,
        outcome: Outcome,
        kept: Kept,
        talk: &mut Talk<'_>,
    ) {
        measure(&outcome);
        if let Verdict::Failed(failure) = &outcome.verdict {
            alarm::run_failed(record, failure.reason);
        }
        let (mut outcome, mut kept) = (self.masked(record.id, outcome), kept);
        loop {
            match log.finish(record, outcome.clone(), &kept, talk.heard()).await {
                Appended::Recorded => return,
                Appended::LeaseLost => return tracing::warn!("lost the lease of a run at its end"),
                // They came in this moment.
                Appended::OrdersWait => {
                    let before = talk.heard();
                    talk.undelivered().await.into_iter().for_each(|message| log.hold(message));
                    if talk.heard() > before {
                        continue;
                    }
                }
                Appended::Failed(StoreError::Rejected(error)) => {
                    tracing::error!(execution = %record.id, %error, "the end of a run is not taken; recording the bare fact");
                    log.discard();
                    let message = format!(
                        "What the run left could not be recorded; it ended as {}.",
                        outcome.verdict.state().as_str()
                    );
                    (outcome, kept) =
                        (Outcome::without_run(Verdict::failed(FailureReason::Internal, message)), Kept::default());
                }
                // There is nothing better to do with the outcome than to keep trying.
                Appended::Failed(error) => {
                    tracing::error!(execution = %record.id, %error, "the end of a run can't be recorded; trying again");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The run goes on without this server process.
    async fn leave(&self, log: &mut RunLog, lease: Lease) {
        if !matches!(log.append().await, Appended::Recorded) {
            tracing::warn!(execution = %lease.id, "the last events of a run can't be recorded; the next start does it");
        }
        tracing::info!(execution = %lease.id, "leaves a run to the next server");
    }

    /// Lets a run wait; tells whether it does. Where that can't be recorded it counts as lost, which the next look decides.
    async fn park(
        &self,
        log: &mut RunLog,
        record: &ExecutionRecord,
        outcome: &Outcome,
        waiting: Waiting,
        heard: u64,
    ) -> bool {
        let message = match &outcome.verdict {
            Verdict::Failed(failure) => failure.message.clone(),
            _ => String::new(),
        };
        log.hold(EventBody::Waiting { waiting, message });
        let lease_until = self.clock.now().plus_millis(self.lease_millis());
        let parked = log.park(waiting, outcome.session_id.clone(), heard, &self.node, lease_until).await;
        match parked {
            Appended::Recorded => {
                tracing::info!(execution = %record.id, reason = waiting.reason.as_str(), until = ?waiting.until, "a run waits");
                metrics::counter!("legwork_executions_parked_total", "reason" => waiting.reason.as_str()).increment(1);
                true
            }
            parked => {
                tracing::error!(execution = %record.id, ?parked, "that a run waits can't be recorded; the next look decides");
                false
            }
        }
    }

    /// How long a lease holds, in milliseconds.
    pub fn lease_millis(&self) -> i64 {
        i64::try_from(self.config.queue.lease_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000)
    }

    /// The server ends before the run did: the run counts as lost, or waits for the next server where the agent had not
    /// begun.
    async fn give_back(&self, log: &mut RunLog, lease: Lease, outcome: &Outcome) {
        if !matches!(log.append().await, Appended::Recorded) {
            return tracing::error!(execution = %lease.id, "the end of a run can't be recorded; the next start decides");
        }
        tracing::info!(execution = %lease.id, ?outcome.verdict, "gives a run back");
        self.lose(lease, "The server was shut down while it ran this job.", false).await;
    }

    /// Decides what becomes of a run that this node owns but does not work on (any more).
    pub async fn lose(&self, lease: Lease, why: &str, crashed: bool) {
        let began = self.has_output(lease.id).await;
        let lose = Lose { lease, began, why: why.to_owned(), crashed, now: self.clock.now() };
        match self.store.write(lose).await {
            Ok(lost) => {
                tracing::info!(execution = %lease.id, ?lost, why, "gave a run up");
                match lost {
                    Lost::Failed(reason) => count(ExecutionState::Failed, reason.as_str()),
                    Lost::Cancelled => count(ExecutionState::Cancelled, NO_REASON),
                    Lost::Requeued | Lost::NotOurs => {}
                }
            }
            Err(error) => {
                tracing::error!(execution = %lease.id, %error, "failed to give a run up; the next look decides");
            }
        }
        self.vault.forget(lease.id);
        self.hub.publish(lease.id, || Signal::Changed);
    }

    /// Counts an execution that was cancelled before it ran.
    pub fn count_cancelled(&self) {
        count(ExecutionState::Cancelled, NO_REASON);
    }

    /// A value without what is kept out of everything that a run shows.
    pub(super) fn masked_value(&self, id: ExecutionId, value: &Value) -> Value {
        self.mask_of(id).apply_to_value(value.clone())
    }

    fn masked(&self, id: ExecutionId, mut outcome: Outcome) -> Outcome {
        let mask = self.mask_of(id);
        outcome.result = outcome.result.map(|result| mask.apply(result));
        if let Verdict::Failed(failure) = &mut outcome.verdict {
            failure.message = mask.apply(std::mem::take(&mut failure.message));
        }
        outcome
    }
}

/// Records events until the run drops its sender. When they can't be recorded the run is stopped, and the rest is
/// thrown away so that nothing waits for a reader that has gone.
async fn record_events(
    log: &mut RunLog,
    inbox: &mut mpsc::Receiver<EventBody>,
    mut asked: Asked,
    stop: &watch::Sender<Option<StopReason>>,
) {
    let reason = match log.record(inbox, &mut asked).await {
        // Orders hold up nothing but the end.
        Appended::Recorded | Appended::OrdersWait => return,
        Appended::LeaseLost => StopReason::LeaseLost,
        Appended::Failed(error) => {
            tracing::error!(%error, "a run is stopped because its events can't be recorded");
            let why = match error {
                StoreError::Rejected(_) => {
                    "The database does not take an event of this run; the server's log says why."
                }
                _ => "The database could not be used for too long.",
            };
            StopReason::Failed(Failure::new(FailureReason::Internal, why))
        }
    };
    stop.send_replace(Some(reason));
    drop(asked);
    while inbox.recv().await.is_some() {}
}

const NO_REASON: &str = "none";

fn count(state: ExecutionState, reason: &'static str) {
    metrics::counter!("legwork_executions_finished_total", "state" => state.as_str(), "reason" => reason).increment(1);
}

fn measure(outcome: &Outcome) {
    let reason = match &outcome.verdict {
        Verdict::Failed(failure) => failure.reason.as_str(),
        _ => NO_REASON,
    };
    count(outcome.verdict.state(), reason);
    #[expect(clippy::cast_precision_loss, reason = "durations stay far below 2^53 ms")]
    metrics::histogram!("legwork_run_duration_seconds").record(outcome.duration_ms as f64 / 1000.0);
}
