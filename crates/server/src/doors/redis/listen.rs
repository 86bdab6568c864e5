//! Requests that are published on the channel.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{RedisResult, Value};
use futures::StreamExt;
use tokio::time::Instant;

use super::delivery::{Delivery, Door, Via};
use super::link::{Backoff, timed_out};
use crate::lifecycle::Stage;

/// How often to ask a quiet connection whether it is one, and how long its answer may take.
const PING: Duration = Duration::from_secs(5);

/// Hears what is published until the server drains.
pub(super) async fn listen(door: &Arc<Door>) {
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            result = subscribed(door, &mut backoff) => {
                if let Err(error) = result {
                    tracing::debug!(%error, "lost the channel of requests; subscribing again");
                }
                backoff.pause().await;
            }
            () = door.app().phase.reached(Stage::Draining) => return,
        }
    }
}

async fn subscribed(door: &Arc<Door>, backoff: &mut Backoff) -> RedisResult<()> {
    door.link.opened().await;
    let (mut sink, mut messages) = door.link.subscription(&door.keys.requests).await?.split();
    backoff.reset();
    let mut ping = tokio::time::interval(PING);
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return Ok(()) };
                if let Some(payload) = door.lead.hear(message.get_payload_bytes().to_vec(), Instant::now()) {
                    let taker = Arc::clone(door);
                    door.spawn(async move { taker.take(Delivery { payload, via: Via::Channel }).await });
                }
            }
            _ = ping.tick() => {
                let answer = tokio::time::timeout(PING, sink.ping::<Value>()).await;
                answer.unwrap_or_else(|_| Err(timed_out()))?;
            }
        }
    }
}
