//! Requests on the stream: none is lost, whoever is there to read it.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use ::redis::{Cmd, RedisResult, Value};
use serde_json::{Map, json};
use tokio::time::Instant;

use super::delivery::{Delivery, Door, Via};
use super::keys::GROUP;
use super::link::Backoff;
use crate::lifecycle::Stage;

/// Entries that are dealt with at once.
const BATCH: usize = 32;
/// How long to wait for entries; the end of the server waits as long.
const WAIT: Duration = Duration::from_secs(1);
/// Entries that a server was given but did not deal with for so long are another's.
const IDLE: Duration = Duration::from_secs(30);
/// How often to look for such.
const LOOK: Duration = Duration::from_secs(10);

/// Reads this server's share until the server drains.
pub(super) async fn read(door: &Arc<Door>) {
    let mut backoff = Backoff::default();
    while door.is_serving() {
        tokio::select! {
            () = door.link.opened() => {}
            () = door.app().phase.reached(Stage::Draining) => return,
        }
        let consumed = tokio::select! {
            consumed = consume(door, &mut backoff) => consumed,
            // What is not acknowledged is delivered again.
            () = door.app().phase.reached(Stage::Ended) => return,
        };
        if let Err(error) = consumed {
            tracing::debug!(%error, "lost the stream of requests; trying again");
            backoff.pause().await;
        }
    }
}

async fn consume(door: &Arc<Door>, backoff: &mut Backoff) -> RedisResult<()> {
    let mut connection = door.link.waiting_connection(WAIT).await?;
    make_group(door, &mut connection).await?;
    backoff.reset();
    // What this server was given before it was started, or before the connection was lost.
    while take(door, next(door, "0").query_async(&mut connection).await?).await > 0 && door.is_serving() {}
    let mut looked = Instant::now();
    while door.is_serving() {
        take(door, next(door, ">").query_async(&mut connection).await?).await;
        if looked.elapsed() >= LOOK {
            let claimed: StreamAutoClaimReply = abandoned(door).query_async(&mut connection).await?;
            take_entries(door, claimed.claimed).await;
            looked = Instant::now();
        }
    }
    Ok(())
}

async fn make_group(door: &Door, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let made: RedisResult<()> =
        Cmd::xgroup_create_mkstream(&door.keys.stream, GROUP, "0").query_async(connection).await;
    match made {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        made => made,
    }
}

/// Entries after `from`: `>` are new ones, `0` those that this server was given and did not acknowledge.
fn next(door: &Door, from: &str) -> Cmd {
    let mut command = ::redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(GROUP).arg(&door.app().node).arg("COUNT").arg(BATCH);
    if from == ">" {
        command.arg("BLOCK").arg(u64::try_from(WAIT.as_millis()).unwrap_or(1000));
    }
    command.arg("STREAMS").arg(&door.keys.stream).arg(from);
    command
}

fn abandoned(door: &Door) -> Cmd {
    let mut command = ::redis::cmd("XAUTOCLAIM");
    let idle = u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX);
    command.arg(&door.keys.stream).arg(GROUP).arg(&door.app().node).arg(idle).arg("0-0").arg("COUNT").arg(BATCH);
    command
}

async fn take(door: &Arc<Door>, reply: Option<StreamReadReply>) -> usize {
    let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect();
    take_entries(door, entries).await
}

async fn take_entries(door: &Arc<Door>, entries: Vec<StreamId>) -> usize {
    let count = entries.len();
    let taken = entries.into_iter().map(|entry| {
        let delivery = Delivery { payload: payload(&entry), via: Via::Stream(entry.id) };
        door.take(delivery)
    });
    futures::future::join_all(taken).await;
    count
}

/// The request: the value of the one field that there is, or an object of all.
fn payload(entry: &StreamId) -> Vec<u8> {
    let text = |value: &Value| ::redis::from_redis_value_ref::<Vec<u8>>(value).unwrap_or_default();
    if entry.map.len() == 1 {
        return entry.map.values().next().map(text).unwrap_or_default();
    }
    let fields = entry.map.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(&text(value)).into_owned();
        let is_text = ["id", "prompt", "cwd"].contains(&name.as_str());
        let value = (!is_text).then(|| serde_json::from_str(&value).ok()).flatten().unwrap_or_else(|| json!(value));
        (name.clone(), value)
    });
    json!(fields.collect::<Map<_, _>>()).to_string().into_bytes()
}
