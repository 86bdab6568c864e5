//! Setting aside what a job may spend, and giving back what it did not.

use legwork_model::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::counter::Counter;
use super::{ExceededBudget, Labels, gate, matching};
use crate::store::entity::{budget_state, reservation};
use crate::store::transaction::Transaction;

/// Whether all budgets that are about a job have room for it.
pub(in crate::store) enum Room {
    /// They have. Nobody else takes it until the transaction ends.
    Held(Vec<Counter>),
    /// One has not.
    None(Box<ExceededBudget>),
}

/// Looks for room in every budget that is about a job, and changes nothing.
pub(in crate::store) async fn room(
    tx: &Transaction<'_>,
    execution: &str,
    labels: &Labels,
    amount: i64,
    now: Timestamp,
) -> Result<Room, DbErr> {
    if !gate::any(tx).await? || !gate::pass(tx, execution).await? {
        return Ok(Room::Held(Vec::new()));
    }
    let mut counters = Vec::new();
    for (budget, subject) in matching(tx, labels).await? {
        counters.push(Counter::lock(tx, budget, subject, now).await?);
    }
    let exceeded = counters.iter().find(|counter| counter.is_exceeded_by(amount));
    Ok(match exceeded {
        Some(counter) => Room::None(Box::new(counter.exceeded(amount))),
        None => Room::Held(counters),
    })
}

/// Sets `amount` aside in all of `counters`.
pub(in crate::store) async fn reserve(
    tx: &Transaction<'_>,
    counters: Vec<Counter>,
    execution: &str,
    labels: &Labels,
    amount: i64,
) -> Result<(), DbErr> {
    if counters.is_empty() {
        return Ok(());
    }
    for mut counter in counters {
        counter.row.reserved = counter.row.reserved.saturating_add(amount);
        counter.save(tx).await?;
    }
    let row = reservation::ActiveModel {
        execution_id: ActiveValue::Set(execution.to_owned()),
        outstanding: ActiveValue::Set(amount),
        project: ActiveValue::Set(labels.project.clone()),
        user_label: ActiveValue::Set(labels.user.clone()),
        api_key: ActiveValue::Set(labels.key.clone()),
        session: ActiveValue::Set(labels.session.clone()),
    };
    tx.execute(reservation::Entity::insert(row)).await.map(drop)
}

/// Gives back what is left of what was set aside for an execution, which ends in the same transaction.
pub(in crate::store) async fn release(tx: &Transaction<'_>, execution: &str) -> Result<(), DbErr> {
    let find = || reservation::Entity::find_by_id(execution);
    // None is made later, so who has none needs no gate.
    if !tx.exists(find()).await? {
        return Ok(());
    }
    gate::pass(tx, execution).await?;
    let Some(row) = tx.one(find()).await? else { return Ok(()) };
    tx.execute(reservation::Entity::delete_by_id(execution)).await?;
    let outstanding = row.outstanding;
    if outstanding == 0 {
        return Ok(());
    }
    for (budget, subject) in matching(tx, &Labels::from(row)).await? {
        // A counter that is not there yet will begin without this reservation.
        let update = budget_state::Entity::update_many()
            .filter(budget_state::Column::BudgetId.eq(budget.id))
            .filter(budget_state::Column::Subject.eq(subject))
            .col_expr(budget_state::Column::Reserved, Expr::col(budget_state::Column::Reserved).sub(outstanding));
        tx.execute(update).await?;
    }
    Ok(())
}

impl From<reservation::Model> for Labels {
    fn from(row: reservation::Model) -> Self {
        Self {
            agent: String::new(),
            project: row.project,
            user: row.user_label,
            key: row.api_key,
            session: row.session,
        }
    }
}
