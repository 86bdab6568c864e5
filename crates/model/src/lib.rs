//! The nouns of Legwork, without any I/O: what an execution is, which states it passes through, what its events
//! look like, and how it can end.
//!
//! Everything the outside sees is serialised as camelCase JSON; enum values are snake_case. Times are
//! [`Timestamp`]s (RFC 3339 with milliseconds), money is whole micro-dollars ([`Cost`]).

pub mod calendar;
pub mod clock;
pub mod domain;
pub mod event;
pub mod execution;
pub mod host;
pub mod id;
pub mod limits;
pub mod mcp;
pub mod model_call;
pub mod money;
pub mod outcome;
pub mod permission;
pub mod quantity;
pub mod sandbox;
pub mod task;
pub mod usage;
pub mod waiting;

pub use calendar::{InvalidZone, Period, Zone};
pub use clock::{Clock, SystemClock, TestClock, Timestamp};
pub use domain::DomainPattern;
pub use event::{EgressVerdict, Event, EventBody};
pub use execution::ExecutionState;
pub use host::{HostFault, HostName, InvalidHost};
pub use id::{ExecutionId, Ids};
pub use limits::Limits;
pub use mcp::{McpProgram, McpRemote, McpServer, McpTransport};
pub use model_call::{Metered, ModelApi, ModelCall};
pub use money::{Cost, InvalidCost, WrittenCost};
pub use outcome::{Cached, Exit, Failure, FailureReason, Outcome, Verdict};
pub use permission::{PermissionAction, PermissionPolicy, PermissionRule, Risk, ToolUse};
pub use quantity::{ByteSize, Cpus, QuantityError, Seconds};
pub use sandbox::{Container, Egress, Sandbox, SandboxKind, WorkspaceMount};
pub use task::{OnSessionLost, Repository, Task, ToolPolicy};
pub use usage::Usage;
pub use waiting::{OnLimit, WaitReason, Waiting};
