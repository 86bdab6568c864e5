//! Keeps what counts against budgets and what changes the budgets themselves apart.
//!
//! Whoever counts has read which budgets match. Did a budget come into being meanwhile, its counter would begin without
//! this one. So who counts holds one of many gates, by its execution, and gets in nobody's way but that of the same
//! execution; who changes the budgets holds them all. A row that is locked is what all engines have.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::store::entity::budget_gate;
use crate::store::transaction::Transaction;

/// How many gates there are: several times what may be in transactions at once.
pub(in crate::store) const STRIPES: i32 = 64;

/// Whether there are any budgets. Without a lock: for who does nothing if there are none.
pub(super) async fn any(tx: &Transaction<'_>) -> Result<bool, DbErr> {
    Ok(tx.one(budget_gate::Entity::find_by_id(0)).await?.is_some_and(|gate| gate.budgets > 0))
}

/// Holds the gate of an execution until the transaction ends; tells whether there are any budgets.
pub(in crate::store) async fn pass(tx: &Transaction<'_>, execution: &str) -> Result<bool, DbErr> {
    let gate = budget_gate::Entity::find_by_id(stripe(execution)).lock_exclusive();
    Ok(tx.one(gate).await?.is_some_and(|gate| gate.budgets > 0))
}

/// Holds all gates until the transaction ends.
pub(super) async fn close(tx: &Transaction<'_>) -> Result<(), DbErr> {
    let gates = budget_gate::Entity::find().order_by_asc(budget_gate::Column::Stripe).lock_exclusive();
    tx.all(gates).await.map(drop)
}

/// Notes that there are so many budgets more.
pub(super) async fn count(tx: &Transaction<'_>, more: i64) -> Result<(), DbErr> {
    let update = budget_gate::Entity::update_many()
        .filter(budget_gate::Column::Stripe.gte(0))
        .col_expr(budget_gate::Column::Budgets, Expr::col(budget_gate::Column::Budgets).add(more));
    tx.execute(update).await.map(drop)
}

fn stripe(execution: &str) -> i32 {
    let sum = execution.bytes().fold(0_i32, |sum, byte| sum.wrapping_mul(31).wrapping_add(i32::from(byte)));
    sum.rem_euclid(STRIPES)
}
