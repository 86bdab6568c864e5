//! Adding events to the log of a run that holds its lease.

use legwork_model::{ExecutionId, ExecutionState};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::entity::{event, execution};
use super::record::NewEvent;
use super::tool_uses::record_tool_uses;
use super::transaction::Transaction;
use super::write::Write;

/// Rows of one statement at the most: SQLite takes 32,766 values, six a row.
const ROWS: usize = 1_000;
/// Bytes of data of one statement, unless a single event has more: MariaDB takes 16 MiB.
const BYTES: usize = 4 * 1024 * 1024;
/// Characters of a session id that its column takes.
const SESSION_CHARS: usize = 128;

/// The right to write to an execution, given by a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The execution.
    pub id: ExecutionId,
    /// The fencing number of the claim.
    pub fence: i64,
}

/// Whether a write under a lease took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fenced {
    /// It did.
    Applied,
    /// Somebody else owns the execution by now; nothing was written.
    LeaseLost,
    /// There are orders that were not heard; nothing was written.
    OrdersWait,
}

/// Adds events after number `after`.
#[derive(Debug)]
pub struct Append {
    /// The writer's lease.
    pub lease: Lease,
    /// The number of the log's last event, as far as the writer knows.
    pub after: u64,
    /// What to add.
    pub events: Vec<NewEvent>,
    /// The agent's session, where these events told it.
    pub session_id: Option<String>,
}

impl Write for Append {
    type Output = Fenced;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Fenced, DbErr> {
        let last = number(self.after)? + i64::try_from(self.events.len()).unwrap_or(i64::MAX);
        let mut update = under_lease(self.lease).col_expr(execution::Column::LastSeq, Expr::value(last));
        if let Some(session) = recordable_session(self.session_id.as_deref()) {
            update = update.col_expr(execution::Column::SessionId, Expr::value(session));
        }
        let update = update.filter(execution::Column::LastSeq.eq(number(self.after)?));
        if tx.execute(update).await? == 0 {
            // Or the same change was committed before, and only its answer did not arrive.
            let row = tx.one(execution::Entity::find_by_id(self.lease.id.to_string())).await?;
            let running = ExecutionState::Running.as_str();
            let committed =
                row.is_some_and(|row| row.fence == self.lease.fence && row.state == running && row.last_seq == last);
            return Ok(if committed { Fenced::Applied } else { Fenced::LeaseLost });
        }
        insert_events(tx, &self.lease.id.to_string(), self.after, &self.events).await?;
        Ok(Fenced::Applied)
    }
}

/// An update that changes nothing unless `lease` still holds.
pub(super) fn under_lease(lease: Lease) -> sea_orm::UpdateMany<execution::Entity> {
    execution::Entity::update_many()
        .filter(execution::Column::Id.eq(lease.id.to_string()))
        .filter(execution::Column::State.eq(ExecutionState::Running.as_str()))
        .filter(execution::Column::Fence.eq(lease.fence))
}

pub(super) async fn insert_events(
    tx: &Transaction<'_>,
    id: &str,
    after: u64,
    events: &[NewEvent],
) -> Result<(), DbErr> {
    let mut last = number(after)?;
    let mut rest = events;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(in_one_statement(rest));
        let rows = now.iter().zip(last + 1..).map(|(event, seq)| event::ActiveModel {
            execution_id: ActiveValue::Set(id.to_owned()),
            seq: ActiveValue::Set(seq),
            at: ActiveValue::Set(event.at.as_millis()),
            kind: ActiveValue::Set(event.kind.to_owned()),
            data: ActiveValue::Set(event.data.clone()),
            turn: ActiveValue::Set(event.turn.and_then(|turn| i32::try_from(turn).ok())),
        });
        tx.insert(rows.collect()).await?;
        record_tool_uses(tx, id, last + 1, now).await?;
        last += i64::try_from(now.len()).unwrap_or(i64::MAX);
        rest = later;
    }
    Ok(())
}

/// How many of `events` fit into one statement; at least one.
fn in_one_statement(events: &[NewEvent]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&NewEvent| {
        bytes += event.data.len();
        bytes <= BYTES
    };
    events.iter().take(ROWS).take_while(fits).count().max(1)
}

/// The session id, if its column takes it. Agents choose their ids; a strange one can't be resumed, but it must not keep
/// a run from being recorded.
pub(super) fn recordable_session(id: Option<&str>) -> Option<&str> {
    id.filter(|id| (1..=SESSION_CHARS).contains(&id.chars().count()) && !id.contains('\0'))
}

pub(super) fn number(seq: u64) -> Result<i64, DbErr> {
    i64::try_from(seq).map_err(|error| DbErr::Custom(error.to_string()))
}
