//! What the queries of lists have in common.

use std::str::FromStr;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use legwork_model::Timestamp;

use crate::doors::Problem;
use crate::parse::nearest;

/// Entries of a page where nothing else is asked for, and at the most.
pub(super) const DEFAULT_LIMIT: u64 = 50;
const MOST: u64 = 200;

/// A parameter that is wrong, and what would be right.
pub(super) fn wrong(name: &str, what: &str) -> Problem {
    invalid(format!("{name}: {what}"))
}

/// A parameter that there is not.
pub(super) fn unknown(name: &str, known: &[&'static str]) -> Problem {
    let near = nearest(name, known.iter().copied()).map_or(".".to_owned(), |near| format!(", did you mean `{near}`?"));
    invalid(format!("unknown parameter `{name}`{near} Known: {}", known.join(", ")))
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
}

/// A `+` of a time zone that was not percent-encoded arrives as a space.
pub(super) fn time(name: &str, value: &str) -> Result<Timestamp, Problem> {
    let time = Timestamp::parse(&value.replace(' ', "+"));
    time.ok_or_else(|| wrong(name, "must be a time such as 2026-03-01T12:00:00Z"))
}

/// How many entries a page has.
pub(super) fn limit(name: &str, value: &str) -> Result<u64, Problem> {
    let within = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    within.ok_or_else(|| wrong(name, "must be from 1 to 200"))
}

/// What tells where a page ended, in a form that nobody takes apart.
pub(super) fn cursor_of(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place that a cursor tells.
pub(super) fn cursor<T: FromStr>(value: &str) -> Result<T, Problem> {
    let place = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    let detail = "this cursor was not made by this server; start again without one";
    place.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail))
}
