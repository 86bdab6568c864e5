//! Rows as the rest of the service sees them.

use legwork_model::{Event, EventBody, ExecutionId, ExecutionState, Outcome, Task, Timestamp, WaitReason, Waiting};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::append::recordable_session;
use super::entity::{event, execution};
use super::error::StoreError;
use super::tool_uses::ToolUseNews;

/// One execution as recorded.
#[derive(Debug, Clone)]
pub struct ExecutionRecord {
    /// Its id.
    pub id: ExecutionId,
    /// Where it stands.
    pub state: ExecutionState,
    /// The lane it waits or waited in.
    pub lane: String,
    /// Higher is claimed earlier.
    pub priority: i32,
    /// What the agent is asked to do.
    pub task: Task,
    /// The caller's own JSON object.
    pub metadata: Map<String, Value>,
    /// The API key that submitted it.
    pub created_by: Option<String>,
    /// The execution that this one repeats.
    pub retry_of: Option<ExecutionId>,
    /// Whether it is run again when its worker is lost after it began.
    pub retry_when_lost: bool,
    /// Whether only the node that took it can run it, having what the record does not.
    pub pinned: bool,
    /// The execution whose run directory it uses.
    pub home: ExecutionId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a worker first took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was claimed.
    pub attempt: u32,
    /// How often its worker was lost.
    pub losses: u32,
    /// The fencing number of the last claim.
    pub fence: i64,
    /// The node that holds its lease.
    pub lease_owner: Option<String>,
    /// The number of its last event.
    pub last_seq: u64,
    /// Who asked to cancel it.
    pub cancel_requested: Option<String>,
    /// The agent's own session.
    pub session_id: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How many orders were given to it.
    pub orders: u64,
    /// What it waits for that no free slot gives it.
    pub waiting: Option<Waiting>,
    /// How often it has waited so.
    pub parks: u32,
    /// How many of its orders an earlier process of its run has heard.
    pub heard: u64,
    /// The caller's name for what it belongs to.
    pub project: Option<String>,
    /// The caller's name for whom it is.
    pub user: Option<String>,
    /// The execution that began its session: itself, or an earlier one.
    pub session_root: ExecutionId,
}

impl ExecutionRecord {
    /// The same execution once it has ended, as the database then has it.
    pub(crate) fn ended(mut self, outcome: Outcome, at: Timestamp, last_seq: u64) -> Self {
        self.state = outcome.verdict.state();
        self.finished_at = Some(at);
        self.lease_owner = None;
        self.last_seq = last_seq;
        if let Some(session) = recordable_session(outcome.session_id.as_deref()) {
            self.session_id = Some(session.to_owned());
        }
        self.outcome = Some(outcome);
        self
    }
}

/// What the row of a pinned job says about being lost: it can't run again.
pub(super) const PINNED: &str = "pinned";

impl TryFrom<execution::Model> for ExecutionRecord {
    type Error = StoreError;

    fn try_from(row: execution::Model) -> Result<Self, StoreError> {
        let (task, metadata) = (json("a task", &row.task)?, json("metadata", &row.metadata)?);
        Self::of(row, task, metadata)
    }
}

impl ExecutionRecord {
    /// What a row says whose task and metadata are known.
    pub(super) fn of(row: execution::Model, task: Task, metadata: Map<String, Value>) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(&row.id)?,
            state: ExecutionState::parse(&row.state).ok_or_else(|| StoreError::unreadable("a state", &row.state))?,
            lane: row.lane,
            priority: row.priority,
            task,
            metadata,
            created_by: row.created_by,
            retry_of: row.retry_of.as_deref().map(id).transpose()?,
            retry_when_lost: row.on_lost == "retry",
            pinned: row.on_lost == PINNED,
            created_at: Timestamp::from_millis(row.created_at),
            started_at: row.started_at.map(Timestamp::from_millis),
            finished_at: row.finished_at.map(Timestamp::from_millis),
            attempt: u32::try_from(row.attempt).unwrap_or(0),
            losses: u32::try_from(row.losses).unwrap_or(0),
            fence: row.fence,
            lease_owner: row.lease_owner,
            last_seq: u64::try_from(row.last_seq).unwrap_or(0),
            cancel_requested: row.cancel_requested,
            session_id: row.session_id,
            outcome: row.outcome.as_deref().map(|outcome| json("an outcome", outcome)).transpose()?,
            orders: u64::try_from(row.orders).unwrap_or(0),
            waiting: row.wait_reason.as_deref().map(|reason| waiting(reason, row.wait_until)).transpose()?,
            parks: u32::try_from(row.parks).unwrap_or(0),
            heard: u64::try_from(row.heard).unwrap_or(0),
            project: row.project,
            user: row.user_label,
            session_root: id(row.session_root.as_ref().unwrap_or(&row.home))?,
            home: id(&row.home)?,
        })
    }
}

fn waiting(reason: &str, until: Option<i64>) -> Result<Waiting, StoreError> {
    let known = WaitReason::parse(reason).ok_or_else(|| StoreError::unreadable("what it waits for", &reason))?;
    Ok(Waiting { reason: known, until: until.map(Timestamp::from_millis) })
}

fn id(text: &str) -> Result<ExecutionId, StoreError> {
    text.parse().map_err(|error| StoreError::unreadable("an execution id", &error))
}

fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::unreadable(what, &error))
}

/// An event on its way to the log: serialised once, for the database and for every reader.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The kind of its body.
    pub kind: &'static str,
    /// Its data as JSON.
    pub data: String,
    /// The turn of the agent that it belongs to, from 1.
    pub turn: Option<u32>,
    /// What it tells of a use of a tool.
    pub tool_use: Option<Box<ToolUseNews>>,
}

impl NewEvent {
    /// `body` as it goes into the log.
    pub fn new(at: Timestamp, body: &EventBody) -> Self {
        // Bodies hold strings, numbers and JSON values only, which always serialise.
        let json = serde_json::to_string(body).unwrap_or_default();
        let data = serde_json::from_str(&json).map_or("{}", |Written { data }| data.get());
        Self { at, kind: body.kind(), data: data.to_owned(), turn: None, tool_use: None }
    }
}

/// What of a serialised body goes into the log beside its kind.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// One entry of an execution's log, its data still as recorded.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedEvent {
    /// Its number within the execution.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The turn of the agent that it belongs to, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The kind of its body.
    pub kind: String,
    /// Its data.
    pub data: Box<RawValue>,
}

impl RecordedEvent {
    /// `event` under the number it was given.
    pub(crate) fn numbered(seq: u64, event: &NewEvent) -> Result<Self, StoreError> {
        let data = raw(event.data.clone())?;
        Ok(Self { seq, at: event.at, turn: event.turn, kind: event.kind.to_owned(), data })
    }

    /// The event with its data decoded.
    ///
    /// # Errors
    /// Where the data is not what the kind says.
    pub fn decode(&self) -> Result<Event, serde_json::Error> {
        serde_json::from_str(&serde_json::to_string(self)?)
    }

    /// Whether it is the one event that ends an execution.
    pub fn is_last(&self) -> bool {
        self.kind == EventBody::FINISHED
    }
}

impl TryFrom<event::Model> for RecordedEvent {
    type Error = StoreError;

    fn try_from(row: event::Model) -> Result<Self, StoreError> {
        let seq = u64::try_from(row.seq).map_err(|error| StoreError::unreadable("an event number", &error))?;
        let turn = row.turn.and_then(|turn| u32::try_from(turn).ok());
        Ok(Self { seq, at: Timestamp::from_millis(row.at), turn, kind: row.kind, data: raw(row.data)? })
    }
}

fn raw(data: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(data).map_err(|error| StoreError::unreadable("event data", &error))
}
