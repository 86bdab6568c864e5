//! What somebody wants of a running agent.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The `OrderBody` as JSON.
    pub body: String,
    /// The API key that gave it.
    pub created_by: Option<String>,
    /// The caller's promise that orders with this key are one and the same.
    pub idempotency_key: Option<String>,
    pub at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
