//! The books of one run: what its requests to models took, and whether it may make another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use legwork_gateway::model_proxy::{Answered, Books, Cause, Held};
use legwork_model::{Clock, Cost, EventBody, ExecutionId, Failure, FailureReason, Ids, Metered, ModelCall};
use legwork_runner::StopReason;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

/// How long a request waits until what was answered before it is on record.
const PATIENCE: Duration = Duration::from_secs(20);
/// A limit that ends sooner is waited for by the agent itself.
const WORTH_STOPPING: i64 = 60_000;

/// What is known of a run's requests.
pub(in crate::executor) struct Sheet {
    lines: mpsc::UnboundedSender<Answered>,
    /// How many answers are not on record yet.
    open: watch::Sender<usize>,
    stop: watch::Sender<Option<StopReason>>,
    clock: Arc<dyn Clock>,
    most: Option<Cost>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    metered: Metered,
    held: Option<Held>,
}

/// Puts the answers of a run on record, one after the other.
#[derive(Debug)]
pub(in crate::executor) struct Keeper {
    sheet: Arc<Sheet>,
    writing: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sheet")
    }
}

impl Keeper {
    /// Opens the books of a run that may cost `most`, and has cost what is in `so_far`. What is answered goes to `events`, and a
    /// run that may make no further request is stopped.
    pub(in crate::executor) fn open(
        id: ExecutionId,
        most: Option<Cost>,
        so_far: Metered,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<EventBody>,
        stop: watch::Sender<Option<StopReason>>,
    ) -> Self {
        let (lines, answers) = mpsc::unbounded_channel();
        let state = Mutex::new(State { metered: so_far, held: None });
        let sheet = Arc::new(Sheet { lines, open: watch::Sender::new(0), stop, clock, most, state });
        let writing = tokio::spawn(write(id, Arc::clone(&sheet), answers, events));
        Self { sheet, writing: AbortOnDropHandle::new(writing) }
    }

    /// What the proxy writes into.
    pub(in crate::executor) fn sheet(&self) -> Arc<Sheet> {
        Arc::clone(&self.sheet)
    }

    /// Puts what is still open on record; tells what all requests took, and why no credential can be used, if that is so.
    pub(in crate::executor) async fn close(self) -> (Metered, Option<Held>) {
        let mut open = self.sheet.open.subscribe();
        // What the agent was reading when it ended is closed by then.
        let _ = tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 0)).await;
        drop(self.writing);
        let state = self.sheet.state();
        (state.metered, state.held)
    }
}

async fn write(
    id: ExecutionId,
    sheet: Arc<Sheet>,
    mut answers: mpsc::UnboundedReceiver<Answered>,
    events: mpsc::Sender<EventBody>,
) {
    let ids = Ids::from_system();
    while let Some(answered) = answers.recv().await {
        let (model, usage, call) = line(&ids, &sheet, answered);
        tracing::debug!(execution = %id, model, cost = %call.cost_usd, "a model answered");
        // The log may have ended the run already; then nobody misses the event.
        let _ = events.send(EventBody::Usage { model: Some(model), usage, call: Some(call) }).await;
        sheet.open.send_modify(|open| *open -= 1);
    }
}

fn line(ids: &Ids, sheet: &Sheet, answered: Answered) -> (String, legwork_model::Usage, ModelCall) {
    let call = ModelCall {
        id: ids.model_call(sheet.clock.now()),
        api: answered.api,
        credential: answered.credential,
        status: answered.status,
        cost_usd: answered.cost,
        estimated: answered.estimated,
        imputed: answered.imputed,
        first_byte_ms: answered.first_byte_ms,
        duration_ms: answered.duration_ms,
    };
    (answered.model, answered.usage, call)
}

impl Sheet {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the run, unless somebody did before.
    fn stop(&self, failure: Failure) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            if first {
                *stop = Some(StopReason::Failed(failure));
            }
            first
        });
    }

    /// Why the run may cost no more.
    fn exceeded(&self) -> Option<String> {
        let cost = self.state().metered.cost_usd;
        let most = self.most.filter(|most| cost >= *most)?;
        Some(format!("The run has cost {cost}, and may cost {most}."))
    }
}

impl Books for Sheet {
    fn permit(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let mut open = self.open.subscribe();
            if tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 0)).await.is_err() {
                return Err("What the run has cost so far can't be recorded.".to_owned());
            }
            let Some(why) = self.exceeded() else { return Ok(()) };
            self.stop(Failure::new(FailureReason::BudgetExceeded, why.clone()));
            Err(why)
        })
    }

    fn answered(&self, answered: Answered) {
        {
            let mut state = self.state();
            let metered = &mut state.metered;
            metered.calls += 1;
            metered.usage += answered.usage;
            metered.cost_usd += answered.cost;
            metered.estimated |= answered.estimated;
            metered.imputed |= answered.imputed;
            // Whatever held the credentials up is over.
            state.held = None;
        }
        self.open.send_modify(|open| *open += 1);
        if self.lines.send(answered).is_err() {
            self.open.send_modify(|open| *open -= 1);
        }
    }

    fn held(&self, held: Held) {
        self.state().held = Some(held);
        let long = held.until.millis_since(self.clock.now()) > WORTH_STOPPING.unsigned_abs();
        if held.cause == Cause::Limited && long {
            let message = format!("The usage limit of the model's API is reached until {}.", held.until);
            self.stop(Failure { api_status: Some(429), ..Failure::new(FailureReason::UsageLimit, message) });
        }
    }

    fn unpriced(&self, model: &str) {
        let message = format!(
            "The model `{model}` has no price, so its cost would not be known. Set it: `[prices.\"{model}\"]` with `input` and \
             `output`, in dollars for a million tokens."
        );
        self.stop(Failure::new(FailureReason::PriceMissing, message));
    }
}
