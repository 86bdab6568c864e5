//! A use of a tool by an agent.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tool_uses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: String,
    /// The number of the first event that tells of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub at: i64,
    pub turn: Option<i32>,
    pub tool: String,
    pub risk: Option<String>,
    /// SHA-256 over tool and input.
    pub digest: Option<String>,
    pub decision: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<i64>,
    pub approval_id: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
