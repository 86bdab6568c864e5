//! The counter of one subject of a budget.

use legwork_model::{Cost, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};

use super::{Budget, BudgetScope, ExceededBudget};
use crate::store::entity::{budget_state, model_call, reservation};
use crate::store::transaction::Transaction;

/// A counter that is locked until the transaction ends.
pub(in crate::store) struct Counter {
    pub(in crate::store) budget: Budget,
    pub(in crate::store) row: budget_state::Model,
}

impl Counter {
    /// Locks the counter as it stands at `now`. One that is not there is made of the ledger and of what is reserved.
    pub(in crate::store) async fn lock(
        tx: &Transaction<'_>,
        budget: Budget,
        subject: String,
        now: Timestamp,
    ) -> Result<Self, DbErr> {
        let find = || budget_state::Entity::find_by_id((budget.id.clone(), subject.clone())).lock_exclusive();
        let start = budget.period.start(&budget.zone, now).as_millis();
        let row = match tx.one(find()).await? {
            Some(row) => row,
            None => {
                begin(tx, &budget, &subject, start).await?;
                // Somebody else may have been faster; theirs is as good.
                tx.one(find()).await?.ok_or_else(|| DbErr::Custom("a counter vanished".into()))?
            }
        };
        let mut counter = Self { budget, row };
        if counter.row.period_start < start {
            // There may be something already: one that began with a late line is of the period before.
            let spent = spent_since(tx, counter.budget.scope, &subject, start).await?;
            counter.row = budget_state::Model { period_start: start, spent, alerted_at: None, ..counter.row };
        }
        Ok(counter)
    }

    /// Whether there is no room for so much more, or for nothing at all.
    pub(in crate::store) fn is_exceeded_by(&self, more: i64) -> bool {
        let used = self.row.spent.saturating_add(self.row.reserved);
        let limit = self.budget.limit.as_micros();
        used >= limit || used.saturating_add(more) > limit
    }

    /// Counts what was spent at `at`; tells whether it is the moment to alert.
    pub(in crate::store) fn spend(&mut self, cost: i64, at: Timestamp) -> bool {
        if at.as_millis() < self.row.period_start {
            return false;
        }
        self.row.spent = self.row.spent.saturating_add(cost);
        let reached = self.budget.alert_at().is_some_and(|threshold| self.row.spent >= threshold);
        let is_moment = reached && self.row.alerted_at.is_none();
        if is_moment {
            self.row.alerted_at = Some(at.as_millis());
        }
        is_moment
    }

    /// Puts what was changed on record.
    pub(in crate::store) async fn save(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let row = &self.row;
        let update = budget_state::Entity::update_many()
            .filter(budget_state::Column::BudgetId.eq(row.budget_id.as_str()))
            .filter(budget_state::Column::Subject.eq(row.subject.as_str()))
            .col_expr(budget_state::Column::PeriodStart, Expr::value(row.period_start))
            .col_expr(budget_state::Column::Spent, Expr::value(row.spent))
            .col_expr(budget_state::Column::Reserved, Expr::value(row.reserved))
            .col_expr(budget_state::Column::AlertedAt, Expr::value(row.alerted_at));
        tx.execute(update).await.map(drop)
    }

    /// What it says to somebody whom it has no room for.
    pub(in crate::store) fn exceeded(&self, requested: i64) -> ExceededBudget {
        let start = Timestamp::from_millis(self.row.period_start);
        ExceededBudget {
            budget: self.budget.clone(),
            subject: self.row.subject.clone(),
            spent: Cost::from_micros(self.row.spent),
            reserved: Cost::from_micros(self.row.reserved),
            requested: Cost::from_micros(requested),
            resets_at: self.budget.period.end(&self.budget.zone, start),
        }
    }
}

async fn begin(tx: &Transaction<'_>, budget: &Budget, subject: &str, start: i64) -> Result<(), DbErr> {
    let mut open = reservation::Entity::find();
    if let Some((_, of_reservations)) = columns(budget.scope) {
        open = open.filter(of_reservations.eq(subject));
    }
    let row = budget_state::Model {
        budget_id: budget.id.clone(),
        subject: subject.to_owned(),
        period_start: start,
        spent: spent_since(tx, budget.scope, subject, start).await?,
        reserved: tx.sum(open, "outstanding").await?,
        alerted_at: None,
    };
    let key = [budget_state::Column::BudgetId, budget_state::Column::Subject];
    let insert = budget_state::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns(key).do_nothing_on(key).to_owned());
    tx.execute(insert).await.map(drop)
}

/// What the ledger says.
async fn spent_since(tx: &Transaction<'_>, scope: BudgetScope, subject: &str, start: i64) -> Result<i64, DbErr> {
    let mut calls = model_call::Entity::find().filter(model_call::Column::At.gte(start));
    if let Some((of_calls, _)) = columns(scope) {
        calls = calls.filter(of_calls.eq(subject));
    }
    tx.sum(calls, "cost").await
}

/// Where the ledger and the reservations have the subjects of a scope.
pub(super) const fn columns(scope: BudgetScope) -> Option<(model_call::Column, reservation::Column)> {
    match scope {
        BudgetScope::Install => None,
        BudgetScope::Project => Some((model_call::Column::Project, reservation::Column::Project)),
        BudgetScope::User => Some((model_call::Column::UserLabel, reservation::Column::UserLabel)),
        BudgetScope::Key => Some((model_call::Column::ApiKey, reservation::Column::ApiKey)),
        BudgetScope::Session => Some((model_call::Column::Session, reservation::Column::Session)),
    }
}
