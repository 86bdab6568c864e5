//! Making, changing and removing budgets.

use std::collections::BTreeSet;

use legwork_model::{Cost, Period, Timestamp, Zone};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::counter::{Counter, columns};
use super::{Budget, BudgetScope, EACH, gate};
use crate::store::connect::Store;
use crate::store::entity::{budget, budget_state, model_call, reservation};
use crate::store::error::StoreError;
use crate::store::transaction::Transaction;
use crate::store::write::Write;

/// Counters that are begun together with a budget for each subject. More begin when something is counted.
const SUBJECTS: u64 = 1_000;

/// A budget as somebody wants it: makes the one of its scope, name and period, or replaces it.
#[derive(Debug, Clone)]
pub struct NewBudget {
    /// The id that it gets, if it is new.
    pub id: String,
    /// What it is for.
    pub scope: BudgetScope,
    /// Whose it is; [`EACH`] for each subject by itself, and for the installation.
    pub name: String,
    /// After which counting begins anew.
    pub period: Period,
    /// What may be spent in a period.
    pub limit: Cost,
    /// The share of the limit, in percent, at which somebody is told.
    pub alert_at_percent: Option<u8>,
    /// Whether a run that meets the limit waits until there is room, instead of ending.
    pub pause_on_exceed: bool,
    /// Where its days and months begin.
    pub zone: Zone,
    /// The API key that wants it.
    pub by: Option<String>,
    /// When.
    pub now: Timestamp,
}

impl Store {
    /// Makes or replaces a budget. Its counters begin with what the ledger has of the present period, and with what is set
    /// aside.
    ///
    /// # Errors
    /// Where the database does not take it; then nothing was written.
    pub async fn put_budget(&self, new: NewBudget) -> Result<Budget, StoreError> {
        let subjects = self.subjects(&new).await?;
        self.write(PutBudget { new, subjects }).await
    }

    /// Whose counters a budget has at first.
    async fn subjects(&self, new: &NewBudget) -> Result<BTreeSet<String>, StoreError> {
        let Some((of_calls, of_reservations)) = columns(new.scope).filter(|_| new.name == EACH) else {
            return Ok(BTreeSet::from([new.name.clone()]));
        };
        let start = new.period.start(&new.zone, new.now).as_millis();
        let spent = model_call::Entity::find()
            .select_only()
            .column(of_calls)
            .filter(of_calls.is_not_null())
            .filter(model_call::Column::At.gte(start))
            .distinct()
            .limit(SUBJECTS);
        let reserved = reservation::Entity::find()
            .select_only()
            .column(of_reservations)
            .filter(of_reservations.is_not_null())
            .distinct()
            .limit(SUBJECTS);
        let mut subjects: BTreeSet<String> = spent.into_tuple().all(&self.reads).await?.into_iter().collect();
        subjects.extend(reserved.into_tuple::<String>().all(&self.reads).await?);
        Ok(subjects)
    }
}

struct PutBudget {
    new: NewBudget,
    subjects: BTreeSet<String>,
}

impl Write for PutBudget {
    type Output = Budget;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Budget, DbErr> {
        gate::close(tx).await?;
        let earlier = tx.one(same(&self.new)).await?;
        let row = self.row(earlier.as_ref());
        let id = row.id.clone();
        let budget = Budget::try_from(row.clone()).map_err(|error| DbErr::Custom(error.to_string()))?;
        match earlier {
            None => {
                tx.execute(budget::Entity::insert(row.into_active_model().reset_all())).await?;
                gate::count(tx, 1).await?;
                self.take_over(tx).await?;
            }
            Some(earlier) => {
                tx.execute(budget::Entity::delete_by_id(id.as_str())).await?;
                tx.execute(budget::Entity::insert(row.clone().into_active_model().reset_all())).await?;
                if earlier.time_zone != row.time_zone {
                    forget_counters(tx, &id).await?;
                }
            }
        }
        self.begin_counters(tx, &budget).await?;
        self.forget_alerts(tx, &budget).await?;
        Ok(budget)
    }
}

impl PutBudget {
    fn row(&self, earlier: Option<&budget::Model>) -> budget::Model {
        let new = &self.new;
        budget::Model {
            id: earlier.map_or(&new.id, |earlier| &earlier.id).clone(),
            scope: new.scope.as_str().to_owned(),
            name: new.name.clone(),
            period: new.period.as_str().to_owned(),
            limit_micros: new.limit.as_micros(),
            alert_at_percent: new.alert_at_percent.map(i32::from),
            pause_on_exceed: i32::from(new.pause_on_exceed),
            time_zone: new.zone.name().to_owned(),
            updated_at: new.now.as_millis(),
            updated_by: new.by.clone(),
        }
    }

    /// A budget by name takes its subject out of the one for each.
    async fn take_over(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let for_each = NewBudget { name: EACH.to_owned(), ..self.new.clone() };
        if self.new.name == EACH {
            return Ok(());
        }
        let Some(row) = tx.one(same(&for_each)).await? else { return Ok(()) };
        let counter = budget_state::Entity::delete_by_id((row.id, self.new.name.clone()));
        tx.execute(counter).await.map(drop)
    }

    async fn begin_counters(&self, tx: &Transaction<'_>, budget: &Budget) -> Result<(), DbErr> {
        for subject in &self.subjects {
            let by_name = NewBudget { name: subject.clone(), ..self.new.clone() };
            if budget.name == EACH && *subject != EACH && tx.exists(same(&by_name)).await? {
                continue;
            }
            Counter::lock(tx, budget.clone(), subject.clone(), self.new.now).await?.save(tx).await?;
        }
        Ok(())
    }

    /// Of a budget that was raised, somebody is told again.
    async fn forget_alerts(&self, tx: &Transaction<'_>, budget: &Budget) -> Result<(), DbErr> {
        let update = budget_state::Entity::update_many()
            .filter(budget_state::Column::BudgetId.eq(budget.id.as_str()))
            .filter(budget_state::Column::Spent.lt(budget.alert_at().unwrap_or(i64::MAX)))
            .col_expr(budget_state::Column::AlertedAt, Expr::value(Option::<i64>::None));
        tx.execute(update).await.map(drop)
    }
}

/// Removes a budget and its counters; what is set aside stays so in the others.
#[derive(Debug, Clone)]
pub struct RemoveBudget {
    /// Which.
    pub id: String,
}

impl Write for RemoveBudget {
    /// Whether there was one.
    type Output = bool;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        gate::close(tx).await?;
        if tx.execute(budget::Entity::delete_by_id(self.id.as_str())).await? == 0 {
            return Ok(false);
        }
        gate::count(tx, -1).await?;
        forget_counters(tx, &self.id).await?;
        Ok(true)
    }
}

async fn forget_counters(tx: &Transaction<'_>, budget: &str) -> Result<(), DbErr> {
    let counters = budget_state::Entity::delete_many().filter(budget_state::Column::BudgetId.eq(budget));
    tx.execute(counters).await.map(drop)
}

/// Forgets counters of periods that are over, of which nothing is set aside. Should one be needed again, it is made of the ledger.
#[derive(Debug)]
pub struct PruneCounters {
    /// Those of periods that began before this.
    pub before: Timestamp,
}

impl Write for PruneCounters {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        gate::close(tx).await?;
        let old = budget_state::Entity::delete_many()
            // Not those without an end, which begin at the epoch.
            .filter(budget_state::Column::PeriodStart.gt(0))
            .filter(budget_state::Column::PeriodStart.lt(self.before.as_millis()))
            .filter(budget_state::Column::Reserved.eq(0));
        tx.execute(old).await.map(drop)
    }
}

fn same(new: &NewBudget) -> sea_orm::Select<budget::Entity> {
    budget::Entity::find()
        .filter(budget::Column::Scope.eq(new.scope.as_str()))
        .filter(budget::Column::Name.eq(new.name.as_str()))
        .filter(budget::Column::Period.eq(new.period.as_str()))
        .order_by_asc(budget::Column::Id)
}
