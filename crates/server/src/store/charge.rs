//! Counting what a run spends, and whether it may go on.

use legwork_model::{ExecutionId, ModelCall, Timestamp, Usage};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter};

use super::budgets::{BudgetAlert, Counter, ExceededBudget, Labels, matching, pass};
use super::connect::Store;
use super::entity::{labels, model_call, reservation};
use super::error::StoreError;
use super::transaction::Transaction;
use super::write::Write;

/// Characters that the columns of the ledger take.
const MODEL_CHARS: usize = 200;
const CREDENTIAL_CHARS: usize = 128;

/// Puts a request to a model into the ledger, and takes what it cost from what was set aside for its run. The same request
/// counts once, however often it is told.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The execution whose agent made it.
    pub execution: ExecutionId,
    /// The model.
    pub model: String,
    /// Its tokens.
    pub usage: Usage,
    /// The request.
    pub call: ModelCall,
    /// When it was made: counts in the period of that moment.
    pub at: Timestamp,
}

/// What a charge led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Charged {
    /// The budgets of which so much is spent now that somebody is to be told; each once in a period.
    pub alerts: Vec<BudgetAlert>,
    /// The first budget that leaves the run nothing to go on with.
    pub exceeded: Option<ExceededBudget>,
}

/// Asks whether a run may make its next request.
#[derive(Debug, Clone, Copy)]
struct Judge {
    execution: ExecutionId,
    now: Timestamp,
}

impl Store {
    /// Counts a request of a run to its model.
    ///
    /// # Errors
    /// Where the database does not take it; then nothing was written.
    pub async fn charge(&self, charge: Charge) -> Result<Charged, StoreError> {
        let charged = self.write(charge).await?;
        for alert in &charged.alerts {
            let (budget, spent, limit) = (&alert.budget, alert.spent, alert.budget.limit);
            let (scope, period) = (budget.scope.as_str(), budget.period.as_str());
            tracing::warn!(budget = budget.id, scope, subject = alert.subject, period, %spent, %limit, "a budget is nearly used up");
        }
        Ok(charged)
    }

    /// The first budget that leaves the run nothing to go on with: it is used up, and so is what was set aside for the run.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn exceeded(&self, execution: ExecutionId, now: Timestamp) -> Result<Option<ExceededBudget>, StoreError> {
        self.write(Judge { execution, now }).await
    }
}

impl Write for Charge {
    type Output = Charged;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Charged, DbErr> {
        let id = self.execution.to_string();
        let has_budgets = pass(tx, &id).await?;
        let labels = labels(tx, &id).await?;
        let is_known = tx.exists(model_call::Entity::find_by_id(self.call.id.clone())).await?;
        // Counters before the line: one that begins here is made of the lines there are.
        let mut counters = if has_budgets { counters(tx, &labels, self.at).await? } else { Vec::new() };
        if !is_known {
            tx.execute(model_call::Entity::insert(self.line(labels).into_active_model().reset_all())).await?;
        }
        let mut outstanding = outstanding(tx, &id).await?;
        let mut alerts = Vec::new();
        if !is_known {
            let reserved = self.take(tx, &id, &mut outstanding).await?;
            for counter in &mut counters {
                counter.row.reserved -= reserved;
                if counter.spend(self.cost(), self.at) {
                    alerts.push(self.alert(counter));
                }
                counter.save(tx).await?;
            }
        }
        Ok(Charged { alerts, exceeded: first_exceeded(&counters, outstanding) })
    }
}

impl Charge {
    fn cost(&self) -> i64 {
        self.call.cost_usd.as_micros().max(0)
    }

    /// Takes the cost from what is left of the run's reservation; tells how much of it that covers.
    async fn take(&self, tx: &Transaction<'_>, id: &str, outstanding: &mut i64) -> Result<i64, DbErr> {
        let covered = self.cost().min(*outstanding);
        if covered > 0 {
            *outstanding -= covered;
            let update = reservation::Entity::update_many()
                .filter(reservation::Column::ExecutionId.eq(id))
                .col_expr(reservation::Column::Outstanding, Expr::value(*outstanding));
            tx.execute(update).await?;
        }
        Ok(covered)
    }

    fn alert(&self, counter: &Counter) -> BudgetAlert {
        let now = counter.exceeded(0);
        BudgetAlert { budget: now.budget, subject: now.subject, spent: now.spent, execution: self.execution }
    }

    fn line(&self, labels: Labels) -> model_call::Model {
        let (usage, call) = (&self.usage, &self.call);
        model_call::Model {
            id: call.id.clone(),
            execution_id: self.execution.to_string(),
            at: self.at.as_millis(),
            agent: labels.agent,
            model: cut(&self.model, MODEL_CHARS),
            api: call.api.as_str().to_owned(),
            credential: cut(&call.credential, CREDENTIAL_CHARS),
            project: labels.project,
            user_label: labels.user,
            api_key: labels.key,
            session: labels.session,
            input_tokens: whole(usage.input_tokens),
            output_tokens: whole(usage.output_tokens),
            cache_read_tokens: whole(usage.cache_read_tokens),
            cache_write_tokens: whole(usage.cache_write_tokens),
            cost: self.cost(),
            estimated: i32::from(call.estimated),
            imputed: i32::from(call.imputed),
            status: i32::from(call.status),
            first_byte_ms: whole(call.first_byte_ms),
            duration_ms: whole(call.duration_ms),
        }
    }
}

impl Write for Judge {
    type Output = Option<ExceededBudget>;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Option<ExceededBudget>, DbErr> {
        let id = self.execution.to_string();
        if !pass(tx, &id).await? {
            return Ok(None);
        }
        let left = outstanding(tx, &id).await?;
        // What was set aside for it is its own, whatever became of the budget.
        if left > 0 {
            return Ok(None);
        }
        let counters = counters(tx, &labels(tx, &id).await?, self.now).await?;
        Ok(first_exceeded(&counters, left))
    }
}

fn first_exceeded(counters: &[Counter], outstanding: i64) -> Option<ExceededBudget> {
    if outstanding > 0 {
        return None;
    }
    counters.iter().find(|counter| counter.is_exceeded_by(0)).map(|counter| counter.exceeded(0))
}

async fn labels(tx: &Transaction<'_>, id: &str) -> Result<Labels, DbErr> {
    let row = tx.one(labels::Entity::find_by_id(id)).await?;
    row.map(Labels::from).ok_or_else(|| DbErr::Custom(format!("there is no execution {id}")))
}

async fn counters(tx: &Transaction<'_>, labels: &Labels, now: Timestamp) -> Result<Vec<Counter>, DbErr> {
    let mut counters = Vec::new();
    for (budget, subject) in matching(tx, labels).await? {
        counters.push(Counter::lock(tx, budget, subject, now).await?);
    }
    Ok(counters)
}

/// What is left of what was set aside for a run.
async fn outstanding(tx: &Transaction<'_>, id: &str) -> Result<i64, DbErr> {
    Ok(tx.one(reservation::Entity::find_by_id(id)).await?.map_or(0, |row| row.outstanding))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Upstreams choose their names; a strange one must not keep a request out of the ledger.
fn cut(name: &str, chars: usize) -> String {
    name.chars().filter(|one| *one != '\0').take(chars).collect()
}
