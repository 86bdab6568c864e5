//! Reading the log of tool uses.

use legwork_model::{ExecutionId, Risk, Timestamp};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{ToolDecision, ToolUse};
use crate::store::append::number;
use crate::store::connect::Store;
use crate::store::entity::{execution, tool_use};
use crate::store::error::StoreError;

/// Which uses of tools to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct ToolUseFilter {
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Of executions of this project.
    pub project: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// With this decision.
    pub decision: Option<ToolDecision>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// After this one in the list: where the page before ended.
    pub before: Option<ToolUsePlace>,
}

/// The place of a use in the list of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolUsePlace {
    /// When it was.
    pub at: Timestamp,
    /// Its execution.
    pub execution: ExecutionId,
    /// Its number.
    pub seq: u64,
}

impl Store {
    /// Up to `limit` uses of tools, newest first.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn tool_uses(&self, filter: &ToolUseFilter, limit: u64) -> Result<Vec<ToolUse>, StoreError> {
        use tool_use::Column;
        let mut query = tool_use::Entity::find().filter(wanted(filter)).limit(limit);
        for column in [Column::At, Column::ExecutionId, Column::Seq] {
            query = query.order_by_desc(column);
        }
        query.all(&self.reads).await?.into_iter().map(ToolUse::try_from).collect()
    }
}

fn wanted(filter: &ToolUseFilter) -> Condition {
    use tool_use::Column;
    let of_project = |project: &String| {
        let executions = Query::select()
            .column(execution::Column::Id)
            .from(execution::Entity)
            .and_where(execution::Column::Project.eq(project.as_str()))
            .take();
        Column::ExecutionId.in_subquery(executions)
    };
    Condition::all()
        .add_option(filter.execution.map(|id| Column::ExecutionId.eq(id.to_string())))
        .add_option(filter.project.as_ref().map(of_project))
        .add_option(filter.tool.as_ref().map(|tool| Column::Tool.eq(tool.as_str())))
        .add_option(filter.decision.map(|decision| Column::Decision.eq(decision.as_str())))
        .add_option(filter.since.map(|since| Column::At.gte(since.as_millis())))
        .add_option(filter.until.map(|until| Column::At.lt(until.as_millis())))
        .add_option(filter.before.map(comes_after))
}

/// What follows a place in the list.
fn comes_after(ToolUsePlace { at, execution, seq }: ToolUsePlace) -> Condition {
    use tool_use::Column;
    let (at, execution) = (at.as_millis(), execution.to_string());
    // What is no number on record is behind all that are.
    let seq = number(seq).unwrap_or(i64::MAX);
    let same = Condition::all().add(Column::ExecutionId.eq(execution.as_str())).add(Column::Seq.lt(seq));
    let then = Condition::any().add(Column::ExecutionId.lt(execution)).add(same);
    let at_that_time = Condition::all().add(Column::At.eq(at)).add(then);
    Condition::any().add(Column::At.lt(at)).add(at_that_time)
}

impl TryFrom<tool_use::Model> for ToolUse {
    type Error = StoreError;

    fn try_from(row: tool_use::Model) -> Result<Self, StoreError> {
        let unreadable = |what: &'static str, text: &str| StoreError::unreadable(what, &text.to_owned());
        let risk = row.risk.as_deref().map(|risk| Risk::parse(risk).ok_or_else(|| unreadable("a risk", risk)));
        Ok(Self {
            execution_id: row.execution_id.parse().map_err(|_| unreadable("an execution id", &row.execution_id))?,
            seq: u64::try_from(row.seq).map_err(|error| StoreError::unreadable("an event number", &error))?,
            at: Timestamp::from_millis(row.at),
            turn: row.turn.and_then(|turn| u32::try_from(turn).ok()),
            tool: row.tool,
            risk: risk.transpose()?,
            digest: row.digest,
            decision: ToolDecision::parse(&row.decision).ok_or_else(|| unreadable("a decision", &row.decision))?,
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(Timestamp::from_millis),
            approval_id: row.approval_id,
        })
    }
}
