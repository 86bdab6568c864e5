//! What is set aside for an execution that has not ended.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reservations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: String,
    /// What is left of it.
    pub outstanding: i64,
    pub project: Option<String>,
    pub user_label: Option<String>,
    pub api_key: Option<String>,
    pub session: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
