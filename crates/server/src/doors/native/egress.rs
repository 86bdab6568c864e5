//! `GET /v1/executions/{id}/egress`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use legwork_model::{Egress, EgressVerdict, EventBody};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{WrittenId, find};
use crate::admission::Caller;
use crate::doors::{Doors, Problem};

/// What a run reached for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressReport {
    /// What it may reach.
    pub egress: Option<Egress>,
    /// The hosts that it may reach, where there is a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// Each host, with what was decided about it.
    pub hosts: Vec<HostReport>,
    /// The hosts that it was observed to need beyond its list, to be added there.
    pub missing_domains: Vec<String>,
}

/// What a run wanted of one host.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    /// The host.
    #[schema(example = "registry.npmjs.org")]
    pub host: String,
    /// The port.
    pub port: u16,
    /// What was decided.
    pub verdict: EgressVerdict,
    /// Why it was not let through, or would not have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often.
    pub count: u64,
    /// Bytes that the run sent.
    pub bytes_up: u64,
    /// Bytes that came back.
    pub bytes_down: u64,
}

/// What the run reached for, what it was let through to, and what it was denied. Nothing for a run that shares the machine's
/// network.
#[utoipa::path(
    get, path = "/v1/executions/{id}/egress", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The hosts", body = EgressReport),
        (status = 404, description = "There is no such execution", body = Problem),
    ),
)]
pub async fn egress(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
) -> Result<Json<EgressReport>, Problem> {
    let record = find(&doors, &caller, &id).await?;
    // A later event about the same takes the place of an earlier one.
    let mut last = BTreeMap::new();
    for event in doors.app.store.events_of_kind(record.id, "egress").await? {
        let body = serde_json::from_value(json!({ "kind": event.kind, "data": event.data }));
        if let Ok(EventBody::Egress { host, port, verdict, reason, count, bytes_up, bytes_down }) = body {
            let key = (host.clone(), port, format!("{verdict:?} {reason:?}"));
            last.insert(key, HostReport { host, port, verdict, reason, count, bytes_up, bytes_down });
        }
    }
    let hosts: Vec<HostReport> = last.into_values().collect();
    let mut missing_domains: Vec<String> =
        hosts.iter().filter(|host| host.verdict == EgressVerdict::Observed).map(|host| host.host.clone()).collect();
    missing_domains.dedup();
    let sandbox = record.task.sandbox;
    Ok(Json(EgressReport { egress: sandbox.egress, allowed_domains: sandbox.allowed_domains, hosts, missing_domains }))
}
