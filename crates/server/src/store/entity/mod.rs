//! The tables as SeaORM sees them.
#![expect(unreachable_pub, reason = "SeaORM's derives want public items")]

pub(super) mod api_key;
pub(super) mod approval;
pub(super) mod budget;
pub(super) mod budget_gate;
pub(super) mod budget_refusal;
pub(super) mod budget_state;
pub(super) mod event;
pub(super) mod execution;
pub(super) mod idempotency_key;
pub(super) mod kept;
pub(super) mod labels;
pub(super) mod model_call;
pub(super) mod order;
pub(super) mod quota;
pub(super) mod quota_call;
pub(super) mod reservation;
pub(super) mod secret;
pub(super) mod session;
pub(super) mod tool_use;
