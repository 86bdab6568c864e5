//! Agents reach their models by the server's proxy: keys stay outside, costs are known, limits are waited for.

mod limits;
mod secrecy;
mod vendor;

use std::path::Path;

use serde_json::Value;

use super::lab::Setup;
use vendor::Vendor;

/// What pays at the vendor.
pub(crate) const KEY: &str = "sk-ant-real-key-that-nobody-may-see";

/// A server over the real Claude Code that pays `vendor` with a key; `None` (said aloud) where there is none.
fn paying(data: &Path, vendor: &Vendor) -> Option<Setup> {
    let setup = super::claude::rehearsing(data)?;
    Some(
        Setup { rehearse: false, ..setup }
            .env("LEGWORK_AGENTS__CLAUDE_CODE__BASE_URL", vendor.url())
            .env("LEGWORK_AGENTS__CLAUDE_CODE__API_KEY", KEY)
            .env("LEGWORK_AGENTS__CLAUDE_CODE__MAX_RETRIES", "1"),
    )
}

/// The requests to models among the events of a run.
fn calls(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["kind"] == "usage" && event["data"]["call"].is_object()).collect()
}
