//! What budgets had no room for.

use legwork_model::{Cost, ExecutionId, Period, Timestamp};
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{BudgetScope, ExceededBudget, Labels};
use crate::store::connect::Store;
use crate::store::entity::{budget_refusal, labels};
use crate::store::error::StoreError;
use crate::store::transaction::Transaction;
use crate::store::write::Write;

/// A job, or a request of one to its model, that a budget had no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRefusal {
    /// Its id; later ones have larger ones.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The execution that was stopped; none where none was begun.
    pub execution: Option<ExecutionId>,
    /// The budget's id.
    pub budget: String,
    /// What the budget was for.
    pub scope: BudgetScope,
    /// Whose it was.
    pub name: String,
    /// Its period.
    pub period: Period,
    /// Whose counter of it had no room.
    pub subject: String,
    /// What could be spent.
    pub limit: Cost,
    /// What was spent.
    pub spent: Cost,
    /// What was set aside for others.
    pub reserved: Cost,
    /// What was to be set aside.
    pub requested: Cost,
    /// When counting was to begin anew.
    pub resets_at: Option<Timestamp>,
    /// The agent.
    pub agent: String,
    /// The project.
    pub project: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The API key.
    pub key: Option<String>,
}

/// Puts on record that a run was stopped, or made to wait, because a budget is used up.
#[derive(Debug, Clone)]
pub struct Refuse {
    /// A new id, which the refusal is named by.
    pub id: ExecutionId,
    /// The run.
    pub execution: ExecutionId,
    /// The budget.
    pub exceeded: ExceededBudget,
    /// When.
    pub at: Timestamp,
}

impl Write for Refuse {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let id = self.execution.to_string();
        let Some(row) = tx.one(labels::Entity::find_by_id(id.as_str())).await? else { return Ok(()) };
        record_refusal(tx, self.id, Some(id), &Labels::from(row), &self.exceeded, self.at).await
    }
}

/// Forgets refusals that were long ago: whoever goes on asking can make many.
#[derive(Debug)]
pub struct PruneRefusals {
    /// Those before this.
    pub before: Timestamp,
}

impl Write for PruneRefusals {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let old = budget_refusal::Entity::delete_many();
        tx.execute(old.filter(budget_refusal::Column::At.lt(self.before.as_millis()))).await.map(drop)
    }
}

/// Puts a refusal on record. `id` is one that nothing else of its kind has.
pub(in crate::store) async fn record_refusal(
    tx: &Transaction<'_>,
    id: ExecutionId,
    execution: Option<String>,
    labels: &Labels,
    exceeded: &ExceededBudget,
    at: Timestamp,
) -> Result<(), DbErr> {
    let budget = &exceeded.budget;
    let row = budget_refusal::ActiveModel {
        id: ActiveValue::Set(id.to_string().replacen("exe_", "ref_", 1)),
        at: ActiveValue::Set(at.as_millis()),
        execution_id: ActiveValue::Set(execution),
        budget_id: ActiveValue::Set(budget.id.clone()),
        scope: ActiveValue::Set(budget.scope.as_str().to_owned()),
        name: ActiveValue::Set(budget.name.clone()),
        period: ActiveValue::Set(budget.period.as_str().to_owned()),
        subject: ActiveValue::Set(exceeded.subject.clone()),
        limit_micros: ActiveValue::Set(budget.limit.as_micros()),
        spent: ActiveValue::Set(exceeded.spent.as_micros()),
        reserved: ActiveValue::Set(exceeded.reserved.as_micros()),
        requested: ActiveValue::Set(exceeded.requested.as_micros()),
        resets_at: ActiveValue::Set(exceeded.resets_at.map(Timestamp::as_millis)),
        agent: ActiveValue::Set(labels.agent.clone()),
        project: ActiveValue::Set(labels.project.clone()),
        user_label: ActiveValue::Set(labels.user.clone()),
        api_key: ActiveValue::Set(labels.key.clone()),
    };
    tx.execute(budget_refusal::Entity::insert(row)).await.map(drop)
}

impl Store {
    /// Up to `limit` refusals, newest first; those before the one named `before`, where that is given.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn budget_refusals(&self, before: Option<&str>, limit: u64) -> Result<Vec<BudgetRefusal>, StoreError> {
        let mut rows = budget_refusal::Entity::find().order_by_desc(budget_refusal::Column::Id).limit(limit);
        if let Some(before) = before {
            rows = rows.filter(budget_refusal::Column::Id.lt(before));
        }
        rows.all(&self.reads).await?.into_iter().map(BudgetRefusal::try_from).collect()
    }
}

impl TryFrom<budget_refusal::Model> for BudgetRefusal {
    type Error = StoreError;

    fn try_from(row: budget_refusal::Model) -> Result<Self, StoreError> {
        let unreadable = |what: &'static str, text: &str| StoreError::unreadable(what, &text.to_owned());
        let execution = row.execution_id.as_deref().map(str::parse).transpose();
        Ok(Self {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            execution: execution.map_err(|error| StoreError::unreadable("an execution id", &error))?,
            budget: row.budget_id,
            scope: BudgetScope::parse(&row.scope).ok_or_else(|| unreadable("a scope", &row.scope))?,
            name: row.name,
            period: Period::parse(&row.period).ok_or_else(|| unreadable("a period", &row.period))?,
            subject: row.subject,
            limit: Cost::from_micros(row.limit_micros),
            spent: Cost::from_micros(row.spent),
            reserved: Cost::from_micros(row.reserved),
            requested: Cost::from_micros(row.requested),
            resets_at: row.resets_at.map(Timestamp::from_millis),
            agent: row.agent,
            project: row.project,
            user: row.user_label,
            key: row.api_key,
        })
    }
}
