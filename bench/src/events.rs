//! From the moment the agent writes an event to the moment a reader of the stream has it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;

use crate::args::Args;
use crate::contender::Contender;
use crate::error::BenchError;
use crate::http::{self, Connection, unexpected};
use crate::report::Row;
use crate::samples::Samples;

const LINES: usize = 400;
const MILLISECONDS_BETWEEN_LINES: u32 = 5;
/// The agent writes the wall clock behind this, in nanoseconds.
const STAMP: &[u8] = b"stamp=";

/// Streams one job whose agent stamps every line.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let scratch = args.folder()?;
    let service = Contender::legwork(args)?.start(scratch.join("events")).await?;
    let env = format!(
        r#"{{"INSTANT_STAMP":"1","INSTANT_LINES":"{LINES}","INSTANT_SLEEP_MS":"{MILLISECONDS_BETWEEN_LINES}"}}"#
    );
    let body = format!(r#"{{"prompt":"Count.","env":{env}}}"#);
    let call = http::post("/v1/executions", &[("accept", "text/event-stream".into())], body);
    let mut connection = Connection::open(service.address()).await?;
    let response = connection.send(&call).await?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(unexpected(&call, status, &response.into_body().collect().await?.to_bytes()));
    }
    let delays = read(response.into_body()).await?;
    service.stop().await?;
    if delays.count() != LINES {
        let text = format!("the stream had {} stamped events, not {LINES}", delays.count());
        return Err(unexpected(&call, StatusCode::OK, text.as_bytes()));
    }
    Ok(vec![
        Row::alone("delay of a live event, median", delays.percentile(50)).wanted("under 5 ms"),
        Row::alone("delay of a live event, p99", delays.percentile(99)),
    ])
}

async fn read(mut body: Incoming) -> Result<Samples, BenchError> {
    let mut delays = Samples::default();
    let mut line = Vec::new();
    while let Some(frame) = body.frame().await {
        let arrived = wall_clock();
        for &byte in frame?.data_ref().into_iter().flatten() {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            delays.add(stamp_in(&line).map(|written| arrived.saturating_sub(written)).into_iter().collect());
            line.clear();
        }
    }
    Ok(delays)
}

fn stamp_in(line: &[u8]) -> Option<Duration> {
    let start = line.windows(STAMP.len()).position(|window| window == STAMP)? + STAMP.len();
    let digits = line[start..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(Duration::from_nanos(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
}

#[expect(clippy::disallowed_methods, reason = "the agent stamps its lines with the machine's own clock")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_its_line() {
        let line = br#"data: {"kind":"text","data":{"text":"stamp=1700000000000000123 line 7 of the stream"}}"#;
        assert_eq!(stamp_in(line), Some(Duration::from_nanos(1_700_000_000_000_000_123)));
        assert_eq!(stamp_in(b"data: {}"), None);
    }
}
