//! Looking at budgets and their counters.

use std::collections::HashMap;

use legwork_model::{Cost, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::Budget;
use crate::store::connect::Store;
use crate::store::entity::{budget, budget_state};
use crate::store::error::StoreError;

/// As many counters of a budget are shown, those with most spent first.
const COUNTERS: u64 = 200;

/// A budget and what counts against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetState {
    /// The budget.
    pub budget: Budget,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When the next one begins, if one does.
    pub resets_at: Option<Timestamp>,
    /// Its counters of the present period: one, unless it is for each subject.
    pub counters: Vec<CounterState>,
}

/// The counter of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterState {
    /// Whose it is.
    pub subject: String,
    /// What was spent in the present period.
    pub spent: Cost,
    /// What is set aside for jobs that have not ended.
    pub reserved: Cost,
    /// When somebody was told in this period.
    pub alerted_at: Option<Timestamp>,
}

impl Store {
    /// All budgets, or the one of that id, as they stand at `now`.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn budgets(&self, id: Option<&str>, now: Timestamp) -> Result<Vec<BudgetState>, StoreError> {
        let mut rows = budget::Entity::find()
            .order_by_asc(budget::Column::Scope)
            .order_by_asc(budget::Column::Name)
            .order_by_asc(budget::Column::Period);
        if let Some(id) = id {
            rows = rows.filter(budget::Column::Id.eq(id));
        }
        let rows = rows.all(&self.reads).await?;
        let budgets = rows.into_iter().map(Budget::try_from).collect::<Result<Vec<_>, _>>()?;
        let mut single = self.single_counters(&budgets).await?;
        let mut states = Vec::with_capacity(budgets.len());
        for budget in budgets {
            let rows = match single.remove(&budget.id) {
                Some(row) => vec![row],
                None => self.counters(&budget).await?,
            };
            states.push(BudgetState::at(now, budget, rows));
        }
        Ok(states)
    }

    /// The counters of those budgets that have one, by budget.
    async fn single_counters(&self, budgets: &[Budget]) -> Result<HashMap<String, budget_state::Model>, StoreError> {
        let single = budgets.iter().filter(|budget| !budget.is_for_each()).map(|budget| budget.id.as_str());
        let rows = budget_state::Entity::find().filter(budget_state::Column::BudgetId.is_in(single));
        Ok(rows.all(&self.reads).await?.into_iter().map(|row| (row.budget_id.clone(), row)).collect())
    }

    async fn counters(&self, budget: &Budget) -> Result<Vec<budget_state::Model>, StoreError> {
        let rows = budget_state::Entity::find()
            .filter(budget_state::Column::BudgetId.eq(budget.id.as_str()))
            .order_by_desc(budget_state::Column::PeriodStart)
            .order_by_desc(budget_state::Column::Spent)
            .limit(COUNTERS);
        Ok(rows.all(&self.reads).await?)
    }
}

impl CounterState {
    fn of_nothing(subject: String) -> Self {
        Self { subject, spent: Cost::default(), reserved: Cost::default(), alerted_at: None }
    }
}

impl BudgetState {
    fn at(now: Timestamp, budget: Budget, rows: Vec<budget_state::Model>) -> Self {
        let period_start = budget.period.start(&budget.zone, now);
        let is_present = |row: &budget_state::Model| row.period_start >= period_start.as_millis();
        let untouched = rows.is_empty() && !budget.is_for_each();
        // One that was forgotten because nothing has counted since long ago.
        let zero = untouched.then(|| CounterState::of_nothing(budget.name.clone()));
        let counters = rows
            .into_iter()
            .filter(|row| is_present(row) || row.reserved > 0 || !budget.is_for_each())
            .map(|row| CounterState {
                spent: Cost::from_micros(if is_present(&row) { row.spent } else { 0 }),
                reserved: Cost::from_micros(row.reserved),
                alerted_at: row.alerted_at.filter(|_| is_present(&row)).map(Timestamp::from_millis),
                subject: row.subject,
            })
            .chain(zero)
            .collect();
        Self { resets_at: budget.period.end(&budget.zone, now), period_start, counters, budget }
    }
}
