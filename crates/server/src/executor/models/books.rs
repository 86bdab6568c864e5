//! The books of one run: what its requests to models took, and whether it may make another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use legwork_gateway::model_proxy::{Answered, Books, Cause, Held};
use legwork_model::{
    Clock, Cost, EventBody, ExecutionId, Failure, FailureReason, Ids, Metered, ModelCall, Timestamp, WaitReason,
    Waiting,
};
use legwork_runner::StopReason;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::store::budgets::{BudgetAlert, ExceededBudget, Refuse};
use crate::store::charge::{Charge, Charged};
use crate::store::{Store, StoreError};

/// How long a request waits until what was answered before it is on record.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long putting an answer on record is tried, and how long the database is left alone in between.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
/// A limit that ends sooner is waited for by the agent itself, in milliseconds.
const WORTH_STOPPING: u64 = 30_000;

/// Whose books they are.
pub(super) struct BooksOf {
    /// The execution.
    pub(super) id: ExecutionId,
    /// What it may cost.
    pub(super) most: Option<Cost>,
    /// What it has cost before.
    pub(super) so_far: Metered,
    /// Whether its budgets have to be asked before its first request.
    pub(super) asks_first: bool,
}

/// What is known of a run's requests.
pub(super) struct Sheet {
    of: BooksOf,
    lines: mpsc::UnboundedSender<Answered>,
    /// How many answers are not on record yet.
    open: watch::Sender<usize>,
    stop: watch::Sender<Option<StopReason>>,
    store: Store,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    metered: Metered,
    /// Whether the budgets are to be asked before each request.
    asks: bool,
    /// Whether an answer could not be put on record.
    is_broken: bool,
    hindrance: Option<Waiting>,
    /// Why the last request was refused, where that was for its model.
    not_allowed: Option<String>,
}

/// What is known at the end of a run.
pub(super) struct Closed {
    /// What all its requests took.
    pub(super) metered: Metered,
    /// What keeps it from making more, if anything does.
    pub(super) hindrance: Option<Waiting>,
    /// Why its last request was refused, where that was for its model.
    pub(super) not_allowed: Option<String>,
}

/// Puts the answers of a run on record, one after the other.
pub(super) struct Keeper {
    sheet: Arc<Sheet>,
    writing: AbortOnDropHandle<()>,
}

impl Keeper {
    /// Opens the books of a run. What is answered goes to `events`, and a run that may make no further request is stopped.
    pub(super) fn open(
        of: BooksOf,
        store: Store,
        clock: Arc<dyn Clock>,
        events: mpsc::Sender<EventBody>,
        stop: watch::Sender<Option<StopReason>>,
    ) -> Self {
        let (lines, answers) = mpsc::unbounded_channel();
        let state = State { metered: of.so_far, asks: of.asks_first, ..State::default() };
        let sheet = Sheet { of, lines, open: watch::Sender::new(0), stop, store, clock, state: Mutex::new(state) };
        let sheet = Arc::new(sheet);
        let writing = tokio::spawn(write(Arc::clone(&sheet), answers, events));
        Self { sheet, writing: AbortOnDropHandle::new(writing) }
    }

    /// What the proxy writes into.
    pub(super) fn sheet(&self) -> Arc<Sheet> {
        Arc::clone(&self.sheet)
    }

    /// What keeps the run from its models now, if anything does.
    pub(super) fn hindrance(&self) -> Option<Waiting> {
        self.sheet.state().hindrance
    }

    /// Puts what is still open on record.
    pub(super) async fn close(self) -> Closed {
        // What the agent was reading when it ended is cut off by then.
        if !self.sheet.is_settled().await {
            tracing::error!(execution = %self.sheet.of.id, "requests of a run are not on record");
        }
        drop(self.writing);
        let mut state = self.sheet.state();
        let not_allowed = state.not_allowed.take();
        Closed { metered: state.metered, hindrance: state.hindrance, not_allowed }
    }
}

async fn write(sheet: Arc<Sheet>, mut answers: mpsc::UnboundedReceiver<Answered>, events: mpsc::Sender<EventBody>) {
    let ids = Ids::from_system();
    while let Some(answered) = answers.recv().await {
        let charge = sheet.charge(&ids, answered);
        match sheet.record(&charge).await {
            Ok(Charged { alerts, exceeded }) => {
                sheet.state().asks |= exceeded.is_some();
                let told = alerts.iter().map(alert).collect::<Vec<_>>();
                let usage =
                    EventBody::Usage { model: Some(charge.model), usage: charge.usage, call: Some(charge.call.into()) };
                for event in std::iter::once(usage).chain(told) {
                    // The log may have ended the run already; then nobody misses the event.
                    let _ = events.send(event).await;
                }
            }
            Err(error) => {
                tracing::error!(execution = %sheet.of.id, %error, "a request of a run can't be put on record");
                sheet.state().is_broken = true;
            }
        }
        sheet.open.send_modify(|open| *open -= 1);
    }
}

fn alert(alert: &BudgetAlert) -> EventBody {
    let budget = &alert.budget;
    EventBody::BudgetAlert {
        budget: budget.id.clone(),
        scope: budget.scope.as_str().to_owned(),
        subject: alert.subject.clone(),
        period: budget.period.as_str().to_owned(),
        spent_usd: alert.spent,
        limit_usd: budget.limit,
    }
}

impl Sheet {
    fn charge(&self, ids: &Ids, answered: Answered) -> Charge {
        let at = self.clock.now();
        let call = ModelCall {
            id: ids.model_call(at),
            api: answered.api,
            credential: answered.credential,
            status: answered.status,
            cost_usd: answered.cost,
            estimated: answered.estimated,
            imputed: answered.imputed,
            first_byte_ms: answered.first_byte_ms,
            duration_ms: answered.duration_ms,
        };
        Charge { execution: self.of.id, model: answered.model, usage: answered.usage, call, at }
    }

    async fn record(&self, charge: &Charge) -> Result<Charged, StoreError> {
        for _ in 1..TRIES {
            match self.store.charge(charge.clone()).await {
                Err(StoreError::Unavailable(error)) => {
                    tracing::warn!(%error, "a request can't be put on record right now; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                charged => return charged,
            }
        }
        self.store.charge(charge.clone()).await
    }

    /// Waits until all that was answered is on record; tells whether it is.
    async fn is_settled(&self) -> bool {
        let mut open = self.open.subscribe();
        tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == 0)).await.is_ok() && !self.state().is_broken
    }

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

    /// Whether the run may make another request; else why it ends.
    async fn judge(&self) -> Result<(), Failure> {
        let exceeded = |why: String| Failure::new(FailureReason::BudgetExceeded, why);
        // Without its books nobody can say what a run may spend, which is not the same as that it has spent it.
        let unknown = |why: &str| Failure::new(FailureReason::Internal, why);
        if !self.is_settled().await {
            return Err(unknown("What the run has cost so far can't be recorded."));
        }
        let cost = self.state().metered.cost_usd;
        if let Some(most) = self.of.most.filter(|most| cost >= *most) {
            return Err(exceeded(format!("The run has cost {cost}, and may cost {most}.")));
        }
        if !self.state().asks {
            return Ok(());
        }
        // From the first time on it is asked each time: of requests that overlap, none may pass while another is refused.
        let now = self.clock.now();
        match self.store.exceeded(self.of.id, now).await {
            Ok(None) => Ok(()),
            Ok(Some(budget)) => Err(exceeded(self.refuse(budget, now).await)),
            Err(error) => {
                tracing::error!(execution = %self.of.id, %error, "the budgets of a run can't be read");
                Err(unknown("The budgets of the run can't be read."))
            }
        }
    }

    /// Puts a refusal on record; gives it in words.
    async fn refuse(&self, exceeded: ExceededBudget, at: Timestamp) -> String {
        let said = exceeded.to_string();
        if exceeded.budget.pause_on_exceed {
            self.state().hindrance = Some(Waiting { reason: WaitReason::Budget, until: exceeded.resets_at });
        }
        let refuse = Refuse { id: Ids::from_system().execution(at), execution: self.of.id, exceeded, at };
        if let Err(error) = self.store.write(refuse).await {
            tracing::warn!(execution = %self.of.id, %error, "that a budget ends a run can't be put on record");
        }
        let mut words = said.chars();
        words.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), words.as_str()))
    }
}

impl Books for Sheet {
    fn permit(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.judge().await.map_err(|failure| {
                let why = failure.message.clone();
                self.stop(failure);
                why
            })
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
            if (200..300).contains(&answered.status) {
                // Whatever kept the run from its models is over.
                state.hindrance = None;
                state.not_allowed = None;
            }
        }
        self.open.send_modify(|open| *open += 1);
        if self.lines.send(answered).is_err() {
            self.open.send_modify(|open| *open -= 1);
        }
    }

    fn held(&self, held: Held) {
        self.state().hindrance = Some(waiting(held));
        if held.cause == Cause::Limited && held.until.millis_since(self.clock.now()) > WORTH_STOPPING {
            let message = format!("The usage limit of the model's API is reached until {}.", held.until);
            self.stop(Failure { api_status: Some(429), ..Failure::new(FailureReason::UsageLimit, message) });
        }
    }

    fn not_allowed(&self, model: &str, allowed: &[String]) {
        // An agent may ask for another model then; only where it gives up is this why.
        let allowed = allowed.join(", ");
        self.state().not_allowed = Some(format!("The run may not use the model `{model}`; allowed are {allowed}."));
    }

    fn unpriced(&self, model: &str) {
        let message = format!(
            "The model `{model}` has no price, so its cost would not be known. Set it: `[prices.\"{model}\"]` with `input` and \
             `output`, in dollars for a million tokens."
        );
        self.stop(Failure::new(FailureReason::PriceMissing, message));
    }
}

/// What a run waits for whose credentials can't be used.
pub(in crate::executor) fn waiting(held: Held) -> Waiting {
    let reason = match held.cause {
        Cause::Limited => WaitReason::UsageLimit,
        Cause::Rejected => WaitReason::CredentialsRejected,
        Cause::Unavailable => WaitReason::ModelUnavailable,
    };
    Waiting { reason, until: Some(held.until) }
}
