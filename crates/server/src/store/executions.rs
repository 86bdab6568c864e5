//! Reading executions.

use legwork_model::{ExecutionId, ExecutionState, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::connect::Store;
use super::entity::execution;
use super::error::StoreError;
use super::record::ExecutionRecord;

/// Which executions to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<ExecutionState>,
    /// By this agent.
    pub agent: Option<String>,
    /// In this lane.
    pub lane: Option<String>,
    /// In this session.
    pub session_id: Option<String>,
    /// Of this project.
    pub project: Option<String>,
    /// For this user.
    pub user: Option<String>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Older than this one: where the page before ended.
    pub before: Option<ExecutionId>,
}

/// Those that use the run directory of `home`: itself, and those that continue its session. Only these are in the index
/// of homes.
pub(super) fn uses_home(home: ExecutionId) -> Condition {
    use execution::Column;
    let continues =
        Condition::all().add(Column::Home.eq(home.to_string())).add(Expr::col(Column::Home).not_equals(Column::Id));
    Condition::any().add(Column::Id.eq(home.to_string())).add(continues)
}

impl Store {
    /// The execution of that id.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        let row = execution::Entity::find_by_id(id.to_string()).one(&self.reads).await?;
        row.map(ExecutionRecord::try_from).transpose()
    }

    /// Up to `limit` executions, newest first.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn executions(&self, filter: &Filter, limit: u64) -> Result<Vec<ExecutionRecord>, StoreError> {
        use execution::Column;
        let mut query = execution::Entity::find().order_by_desc(Column::Id).limit(limit);
        if let Some(state) = filter.state {
            query = query.filter(Column::State.eq(state.as_str()));
        }
        for (column, wanted) in [
            (Column::Agent, &filter.agent),
            (Column::Lane, &filter.lane),
            (Column::SessionId, &filter.session_id),
            (Column::Project, &filter.project),
            (Column::UserLabel, &filter.user),
        ] {
            if let Some(wanted) = wanted {
                query = query.filter(column.eq(wanted.as_str()));
            }
        }
        if let Some(since) = filter.since {
            query = query.filter(Column::CreatedAt.gte(since.as_millis()));
        }
        if let Some(until) = filter.until {
            query = query.filter(Column::CreatedAt.lt(until.as_millis()));
        }
        if let Some(before) = filter.before {
            query = query.filter(Column::Id.lt(before.to_string()));
        }
        let rows = query.all(&self.reads).await?;
        rows.into_iter().map(ExecutionRecord::try_from).collect()
    }

    /// The newest execution that worked in the agent's session `session_id`.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn session(&self, agent: &str, session_id: &str) -> Result<Option<ExecutionRecord>, StoreError> {
        let row = execution::Entity::find()
            .filter(execution::Column::SessionId.eq(session_id))
            .filter(execution::Column::Agent.eq(agent))
            .order_by_desc(execution::Column::Id)
            .one(&self.reads)
            .await?;
        row.map(ExecutionRecord::try_from).transpose()
    }

    /// How many executions are in `state`. Meant for the two states that few are in.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn count(&self, state: ExecutionState) -> Result<u64, StoreError> {
        let query = execution::Entity::find().filter(execution::Column::State.eq(state.as_str()));
        Ok(query.count(&self.reads).await?)
    }

    /// The executions that use the run directory of `home`, newest first.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn users_of_home(&self, home: ExecutionId) -> Result<Vec<ExecutionRecord>, StoreError> {
        let query = execution::Entity::find().filter(uses_home(home)).order_by_desc(execution::Column::Id);
        query.all(&self.reads).await?.into_iter().map(ExecutionRecord::try_from).collect()
    }
}
