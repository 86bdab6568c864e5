//! What a change to the budgets waits for, and what waits for it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "budget_gates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub stripe: i32,
    /// How many budgets there are.
    pub budgets: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
