//! `/v1/budgets`: what may be spent, and what is.

pub mod list;
pub mod put;
pub mod refusals;
pub mod remove;

use axum::Router;
use axum::routing::{delete, get};
use legwork_model::{Cost, Period, Timestamp, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::doors::Doors;
use crate::scheduler::Command;
use crate::store::StoreError;
use crate::store::budgets::{BudgetScope, BudgetState, CounterState, EACH};
use crate::store::park::UnparkBudgets;

/// `/v1/budgets`
pub(in crate::doors) fn routes() -> Router<Doors> {
    Router::new()
        .route("/", get(list::list).put(put::put))
        .route("/{id}", delete(remove::remove))
        .route("/refusals", get(refusals::list))
}

/// There may be room again: what waits for a budget asks once more.
async fn look_again(doors: &Doors) -> Result<(), StoreError> {
    let waiting = doors.app.store.write(UnparkBudgets { now: doors.app.clock.now() }).await?;
    if waiting > 0 {
        doors.scheduler.tell(Command::Look);
    }
    Ok(())
}

/// A budget and how it stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetView {
    /// Its id.
    #[schema(example = "bud_0f9a8b7c6d5e4f3a2b1c0d9e8f")]
    pub id: String,
    /// What it is for.
    pub scope: BudgetScope,
    /// Whose it is; `*`: each has one by itself.
    pub name: String,
    /// After which counting begins anew.
    pub period: Period,
    /// What may be spent in a period.
    pub limit_usd: Cost,
    /// The share of the limit, in percent, at which somebody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_at_percent: Option<u8>,
    /// Whether a run that meets the limit waits until there is room, instead of ending.
    pub pause_on_exceed: bool,
    /// Where its days and months begin.
    pub time_zone: Zone,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When counting begins anew; absent where it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The API key that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// How it stands: one entry, or for `*` one for each that counts against it in this period, at most 200.
    pub counters: Vec<CounterView>,
}

/// How a budget stands for one that it is counted for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CounterView {
    /// For whom: the name of the project, the user, …; `*` for the whole installation.
    pub subject: String,
    /// What was spent in this period.
    pub spent_usd: Cost,
    /// What is set aside for jobs that wait or run.
    pub reserved_usd: Cost,
    /// What is left for others.
    pub remaining_usd: Cost,
    /// When somebody was told in this period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerted_at: Option<Timestamp>,
}

impl From<BudgetState> for BudgetView {
    fn from(state: BudgetState) -> Self {
        let budget = state.budget;
        Self {
            counters: state.counters.into_iter().map(|counter| CounterView::new(counter, budget.limit)).collect(),
            id: budget.id,
            scope: budget.scope,
            name: budget.name,
            period: budget.period,
            limit_usd: budget.limit,
            alert_at_percent: budget.alert_at_percent,
            pause_on_exceed: budget.pause_on_exceed,
            time_zone: budget.zone,
            period_start: state.period_start,
            resets_at: state.resets_at,
            updated_at: budget.updated_at,
            updated_by: budget.updated_by,
        }
    }
}

impl CounterView {
    fn new(counter: CounterState, limit: Cost) -> Self {
        let used = counter.spent + counter.reserved;
        Self {
            remaining_usd: Cost::from_micros((limit.as_micros() - used.as_micros()).max(0)),
            subject: counter.subject,
            spent_usd: counter.spent,
            reserved_usd: counter.reserved,
            alerted_at: counter.alerted_at,
        }
    }
}

fn each() -> String {
    EACH.to_owned()
}
