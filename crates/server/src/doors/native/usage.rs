//! `GET /v1/usage`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use legwork_model::{Cost, Timestamp, Usage, Zone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::parse::nearest;
use crate::store::usage::{Sum, UsageBy, UsageQuery};

const KNOWN: [&str; 3] = ["from", "to", "by"];
const DAY_MILLIS: i64 = 86_400_000;
const DEFAULT_DAYS: i64 = 30;
const MOST_DAYS: i64 = 400;
const MOST_ROWS: usize = 10_000;

/// What was spent, as the gateway metered it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// Requests to models are in it that were made at this time or later,
    pub from: Timestamp,
    /// and before this time.
    pub to: Timestamp,
    /// Where days begin.
    pub time_zone: Zone,
    /// A sum for each that anything was spent for, in the order of the days and names.
    pub rows: Vec<UsageRow>,
    /// The sum of all of them.
    pub total: UsageSum,
}

/// A sum, and what it is for: what `by` names, but not what the jobs have no label of.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageRow {
    /// The day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-01")]
    pub day: Option<String>,
    /// The project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The id of the API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The sum.
    #[serde(flatten)]
    pub sum: UsageSum,
}

/// A sum of requests to models.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSum {
    /// How many there were.
    pub calls: u64,
    /// Their tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// What they cost, by the price table.
    pub cost_usd: Cost,
    /// What of that a subscription paid, so that nobody is billed for it.
    pub imputed_usd: Cost,
}

impl From<Sum> for UsageSum {
    fn from(sum: Sum) -> Self {
        Self { calls: sum.calls, usage: sum.usage, cost_usd: sum.cost, imputed_usd: sum.imputed }
    }
}

/// Sums up what was spent: the last 30 days by day, where nothing else is asked for.
#[utoipa::path(
    get, path = "/v1/usage", tag = "budgets", operation_id = "get_usage",
    params(
        ("from" = Option<String>, Query, description = "a time, or the day that begins there; at most 400 days before `to`"),
        ("to" = Option<String>, Query, description = "a time, or the day that ends there; now where absent"),
        ("by" = Option<String>, Query, description = "some of `day`, `project`, `key`, `user`, `agent`, `model`, with commas between"),
    ),
    responses((status = 200, body = UsageReport), (status = 400, description = "A parameter is wrong", body = Problem)),
)]
pub async fn usage(
    State(doors): State<Doors>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<UsageReport>, Problem> {
    caller.require(Permission::Read)?;
    let app = &doors.app;
    let query = parse_query(query.as_deref().unwrap_or_default(), app.config.budgets.zone(), app.clock.now())?;
    let Some(sums) = app.store.usage(&query, MOST_ROWS).await? else {
        return Err(invalid(format!("by: makes more than {MOST_ROWS} sums; ask for fewer days, or by less")));
    };
    let mut total = Sum::default();
    sums.values().for_each(|sum| total += *sum);
    let rows = sums.into_iter().map(|(labels, sum)| row(&query.by, labels, sum)).collect();
    Ok(Json(UsageReport { from: query.from, to: query.to, time_zone: query.zone, rows, total: total.into() }))
}

fn row(by: &[UsageBy], labels: Vec<Option<String>>, sum: Sum) -> UsageRow {
    let mut row = UsageRow { sum: sum.into(), ..UsageRow::default() };
    for (by, label) in by.iter().zip(labels) {
        match by {
            UsageBy::Day => row.day = label,
            UsageBy::Project => row.project = label,
            UsageBy::Key => row.key = label,
            UsageBy::User => row.user = label,
            UsageBy::Agent => row.agent = label,
            UsageBy::Model => row.model = label,
        }
    }
    row
}

fn parse_query(query: &str, zone: Zone, now: Timestamp) -> Result<UsageQuery, Problem> {
    let mut written = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if !KNOWN.contains(&name.as_ref()) {
            let near = nearest(&name, KNOWN).map_or(".".to_owned(), |near| format!(", did you mean `{near}`?"));
            return Err(invalid(format!("unknown parameter `{name}`{near} Known: {}", KNOWN.join(", "))));
        }
        written.insert(name.into_owned(), value.into_owned());
    }
    let written = |name: &str| written.get(name).map(String::as_str);
    let to = match written("to") {
        Some(text) => time(text, &zone, true).ok_or_else(|| wrong_time("to"))?,
        None => now.plus_millis(1),
    };
    let from = match written("from") {
        Some(text) => time(text, &zone, false).ok_or_else(|| wrong_time("from"))?,
        None => zone.day_start(to.plus_millis(-1 - (DEFAULT_DAYS - 1) * DAY_MILLIS)),
    };
    if from >= to {
        return Err(invalid("from: must be before `to`".into()));
    }
    if to.as_millis() - from.as_millis() > MOST_DAYS * DAY_MILLIS {
        return Err(invalid(format!("from: must be at most {MOST_DAYS} days before `to`")));
    }
    Ok(UsageQuery { from, to, by: by(written("by"))?, zone })
}

/// A time, or the begin or end of a day. A `+` of a time zone that was not percent-encoded arrives as a space.
fn time(text: &str, zone: &Zone, end: bool) -> Option<Timestamp> {
    let day = |noon: Timestamp| if end { zone.next_day(noon) } else { zone.day_start(noon) };
    match text.len() {
        10 => zone.noon(text).map(day),
        _ => Timestamp::parse(&text.replace(' ', "+")),
    }
}

fn wrong_time(name: &str) -> Problem {
    invalid(format!("{name}: must be a day such as 2026-03-01 or a time such as 2026-03-01T12:00:00Z"))
}

fn by(written: Option<&str>) -> Result<Vec<UsageBy>, Problem> {
    let Some(written) = written.filter(|written| !written.is_empty()) else { return Ok(vec![UsageBy::Day]) };
    let mut by: Vec<UsageBy> = Vec::new();
    for name in written.split(',') {
        let known = UsageBy::ALL.into_iter().find(|known| known.as_str() == name);
        let known = known.ok_or_else(|| {
            let all = UsageBy::ALL.map(UsageBy::as_str).join(", ");
            invalid(format!("by: must be some of {all}, with commas between"))
        })?;
        if !by.contains(&known) {
            by.push(known);
        }
    }
    Ok(by)
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
}
