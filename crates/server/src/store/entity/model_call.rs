//! A line of the ledger: one request to a model.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "model_calls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub execution_id: String,
    pub at: i64,
    pub agent: String,
    pub model: String,
    pub api: String,
    pub credential: String,
    pub project: Option<String>,
    pub user_label: Option<String>,
    pub api_key: Option<String>,
    pub session: String,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cache_read_tokens: i64,
    pub cache_write_tokens: i64,
    pub cost: i64,
    pub estimated: i32,
    pub imputed: i32,
    pub status: i32,
    pub first_byte_ms: i64,
    pub duration_ms: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
