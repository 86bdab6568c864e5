//! What one subject has spent of a budget in its present period.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "budget_states")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub budget_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub period_start: i64,
    /// By the ledger, since `period_start`.
    pub spent: i64,
    /// For executions that have not ended, in whichever period they began.
    pub reserved: i64,
    pub alerted_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
