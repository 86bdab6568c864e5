//! A quota that calls count against. Its row is what calls on several nodes wait for in turn.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quotas")]
pub struct Model {
    /// What is limited, such as `door:generate`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: String,
    pub called_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
