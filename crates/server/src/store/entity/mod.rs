//! The tables as SeaORM sees them.
#![expect(unreachable_pub, reason = "SeaORM's derives want public items")]

pub(super) mod api_key;
pub(super) mod approval;
pub(super) mod event;
pub(super) mod execution;
pub(super) mod idempotency_key;
pub(super) mod kept;
pub(super) mod order;
pub(super) mod quota;
pub(super) mod quota_call;
pub(super) mod session;
