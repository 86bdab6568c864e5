//! What somebody or something may spend in a period.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "budgets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub scope: String,
    /// Whose it is; `*`: each subject of the scope has one by itself.
    pub name: String,
    pub period: String,
    pub limit_micros: i64,
    pub alert_at_percent: Option<i32>,
    /// 1: a run that meets the limit waits; 0: it ends.
    pub pause_on_exceed: i32,
    /// Where its days and months begin. With the budget, so that all nodes agree on them.
    pub time_zone: String,
    pub updated_at: i64,
    pub updated_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
