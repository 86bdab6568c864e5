//! One job for one agent.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub state: String,
    pub lane: String,
    pub priority: i32,
    pub agent: String,
    /// The admitted `Task` as JSON.
    pub task: String,
    /// The caller's own JSON object.
    pub metadata: String,
    /// The API key that submitted it; nobody's where the server had none.
    pub created_by: Option<String>,
    /// The execution that this one repeats.
    pub retry_of: Option<String>,
    /// What to do when its worker is lost after it began: `fail` or `retry`; `pinned`: no other worker can run it, so fail
    /// also before. While a pinned one waits, its lease is that of the node that is to run it.
    pub on_lost: String,
    /// The execution whose run directory (home, workspace) it uses: its own, or that of the session it continues.
    pub home: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// How often it was claimed.
    pub attempt: i32,
    /// How often its worker was lost.
    pub losses: i32,
    /// Rises with every claim; a write with an older one changes nothing.
    pub fence: i64,
    pub lease_owner: Option<String>,
    pub lease_until: Option<i64>,
    /// The number of its last event.
    pub last_seq: i64,
    /// Who asked to cancel it.
    pub cancel_requested: Option<String>,
    pub session_id: Option<String>,
    pub failure_reason: Option<String>,
    /// The `Outcome` as JSON.
    pub outcome: Option<String>,
    /// How many orders were given to it.
    pub orders: i64,
    /// The caller's names for what it is counted under.
    pub project: Option<String>,
    pub user_label: Option<String>,
    /// The execution that began its session, which may be itself; none in rows that are older than the column.
    pub session_root: Option<String>,
    /// What it waits for that no free slot gives it, and until when.
    pub wait_reason: Option<String>,
    pub wait_until: Option<i64>,
    /// How often it has waited so.
    pub parks: i64,
    /// How many of its orders an earlier process of its run has heard.
    pub heard: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
