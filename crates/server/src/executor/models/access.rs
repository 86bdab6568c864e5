//! What a run has at the model proxy while it goes on.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use legwork_gateway::model_proxy::{Admission, Pool};
use legwork_model::{Clock, EventBody, Failure, FailureReason, Metered, Outcome, Verdict, Waiting};
use legwork_runner::StopReason;
use tokio::sync::{mpsc, watch};

use super::books::{BooksOf, Closed, Keeper};
use crate::executor::Executor;
use crate::executor::prepared::Prepared;
use crate::store::{ExecutionRecord, RecordedEvent};

/// How much longer than its run a token is good.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// The same where people are waited for.
const CONVERSATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a run has at the model proxy.
pub(in crate::executor) struct Access {
    admission: Admission,
    pub(super) keeper: Keeper,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    /// How often another way was taken.
    pub(super) turns: AtomicUsize,
}

impl Access {
    /// Ends it; what the requests took stands in the outcome. Gives what keeps the run from its models, if anything does.
    pub(in crate::executor) async fn close(self, outcome: &mut Outcome) -> Option<Waiting> {
        drop(self.admission);
        let Closed { metered, hindrance, not_allowed } = self.keeper.close().await;
        if let (Some(why), Verdict::Failed(failure)) = (not_allowed, &mut outcome.verdict)
            && matches!(failure.reason, FailureReason::CredentialsRejected | FailureReason::ApiError)
        {
            // What the agent takes a 403 for is not what it was.
            *failure = Failure { api_status: failure.api_status, ..Failure::new(FailureReason::RefusedByPolicy, why) };
        }
        outcome.metered = (metered.calls > 0).then(|| Box::new(beside_reported(metered, outcome)));
        hindrance
    }
}

/// With the difference to what the agent says that it cost.
fn beside_reported(metered: Metered, outcome: &Outcome) -> Metered {
    let reported = outcome.cost_usd.map(|reported| metered.cost_usd.as_dollars() - reported.as_dollars());
    let rounded = reported.map(|more| (more * 1e6).round() / 1e6);
    Metered { more_than_reported_usd: rounded, ..metered }
}

impl Executor {
    /// Lets a run use its models, where it does so by the proxy.
    pub(in crate::executor) fn open_models(
        &self,
        record: &ExecutionRecord,
        prepared: &Prepared,
        so_far: Metered,
        events: &mpsc::Sender<EventBody>,
        stop: &watch::Sender<Option<StopReason>>,
    ) -> Option<Access> {
        let (models, route) = (self.models.as_ref()?, prepared.route.as_ref()?);
        let limits = &prepared.task.limits;
        let account = BooksOf {
            id: record.id,
            most: limits.max_cost_usd,
            so_far,
            // What was set aside for a run is released while it waits.
            asks_first: record.parks > 0,
        };
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock));
        let keeper = Keeper::open(account, store, clock, events.clone(), stop.clone());
        let margin = if prepared.task.is_conversation() { CONVERSATION } else { MARGIN };
        let lasts = Duration::from_secs(limits.timeout_seconds).saturating_add(margin).as_millis();
        let expires = self.clock.now().plus_millis(i64::try_from(lasts).unwrap_or(i64::MAX));
        let admission = models.admit(route, expires, keeper.sheet());
        let (pool, clock) = (Arc::clone(&route.pool), Arc::clone(&self.clock));
        Some(Access { admission, keeper, pool, clock, turns: AtomicUsize::new(0) })
    }

    /// What a run has taken before this attempt.
    pub(in crate::executor) async fn metered_before(&self, record: &ExecutionRecord) -> Metered {
        if record.attempt <= 1 {
            return Metered::default();
        }
        self.recorded(record.id).await.map(|all| metered(&all)).unwrap_or_default()
    }
}

/// What the requests on record took.
pub(in crate::executor) fn metered(recorded: &[RecordedEvent]) -> Metered {
    let mut metered = Metered::default();
    for event in recorded.iter().filter(|event| event.kind == "usage") {
        if let Ok(EventBody::Usage { usage, call: Some(call), .. }) = event.decode().map(|event| event.body) {
            metered.count(usage, &call);
        }
    }
    metered
}
