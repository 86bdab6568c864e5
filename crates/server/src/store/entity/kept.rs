//! What is kept of an execution beside its events: columns of its row that most readers have no use for.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub output: Option<Vec<u8>>,
    pub patch: Option<Vec<u8>>,
    /// SHA-256 in hex of what an equal job has in common with it.
    pub fingerprint: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
