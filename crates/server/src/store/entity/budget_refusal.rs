//! A job, or a request of one to its model, that a budget had no room for.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "budget_refusals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub at: i64,
    /// The execution that was stopped; none where none was begun.
    pub execution_id: Option<String>,
    pub budget_id: String,
    pub scope: String,
    pub name: String,
    pub period: String,
    pub subject: String,
    pub limit_micros: i64,
    pub spent: i64,
    pub reserved: i64,
    pub requested: i64,
    pub resets_at: Option<i64>,
    pub agent: String,
    pub project: Option<String>,
    pub user_label: Option<String>,
    pub api_key: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
