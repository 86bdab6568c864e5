//! Streams: each piece when it comes, and a line in the books however they end.

use std::time::Duration;

use axum::body::Bytes;
use futures::StreamExt;
use legwork_model::Usage;
use tokio::sync::mpsc;

use super::api::{self, Api};
use super::run::{Run, Setting};

const START: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"claude-sonnet-4-5","usage":{"input_tokens":10,"output_tokens":1}}}"#,
    "\n\n"
);
const DELTA: &str =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"12345678\"}}\n\n";
const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":77}}\n\n";

fn piece(text: &'static str) -> Result<Bytes, std::io::Error> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn pieces_that_come_at_once_all_arrive_also_before_a_cut() {
    for is_cut in [false, true] {
        let api = Api::start().await;
        let run = Run::at(&api, Setting::default());
        let (pieces, coming) = mpsc::channel(4_000);
        pieces.try_send(piece(START)).expect("room");
        for _ in 0..3_000 {
            pieces.try_send(piece(DELTA)).expect("room");
        }
        api.answers(api::stream(coming));
        let body = r#"{"model":"claude-sonnet-4-5","stream":true}"#;
        let mut answer = run.post("/v1/messages", body).send().await.expect("an answer");
        let mut arrived = Vec::new();
        while arrived.len() < START.len() + 3_000 * DELTA.len() {
            arrived.extend(answer.chunk().await.expect("bytes").expect("a piece"));
        }
        assert!(arrived == [START, &DELTA.repeat(3_000)].concat().as_bytes());
        let last = if is_cut { Err(std::io::Error::other("cut")) } else { piece(END) };
        pieces.try_send(last).expect("room");
        drop(pieces);
        let rest = async {
            let mut rest = Vec::new();
            while let Some(more) = answer.chunk().await? {
                rest.extend(more);
            }
            Ok::<_, reqwest::Error>(rest)
        };
        match rest.await {
            Ok(rest) => assert!(!is_cut && rest == END.as_bytes()),
            Err(error) => assert!(is_cut, "{error}"),
        }
        let line = run.told.answers(1).await.remove(0);
        assert_eq!((line.usage.output_tokens, line.estimated), if is_cut { (6_000, true) } else { (77, false) });
    }
}

#[tokio::test]
async fn each_piece_comes_when_it_was_sent_and_unchanged() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    let (pieces, coming) = mpsc::channel(1);
    api.answers(api::stream(coming));
    pieces.send(piece(START)).await.expect("taken");
    let body = r#"{"model":"claude-sonnet-4-5","stream":true}"#;
    let answer = run.post("/v1/messages", body).send().await.expect("an answer");
    let mut arriving = answer.bytes_stream();
    // Each is sent only after the one before has arrived: nothing waits for what follows.
    let mut arrived = Vec::new();
    for next in [": ping\r\n\r\n", "data: \u{fffd}cut in the mid", "dle\n\n", DELTA, END] {
        arrived.extend(arriving.next().await.expect("a piece").expect("bytes"));
        pieces.send(piece(next)).await.expect("taken");
    }
    drop(pieces);
    while let Some(more) = arriving.next().await {
        arrived.extend(more.expect("bytes"));
    }
    let sent = [START, ": ping\r\n\r\n", "data: \u{fffd}cut in the mid", "dle\n\n", DELTA, END].concat();
    assert_eq!(String::from_utf8_lossy(&arrived), sent);
    let line = run.told.answers(1).await.remove(0);
    assert_eq!(line.usage, Usage { input_tokens: 10, output_tokens: 77, ..Usage::default() });
    assert!(!line.estimated && line.first_byte_ms <= line.duration_ms);
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_in_the_books_with_a_mark() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    let (pieces, coming) = mpsc::channel(8);
    api.answers(api::stream(coming));
    pieces.send(piece(START)).await.expect("taken");
    let body = r#"{"model":"claude-sonnet-4-5","stream":true}"#;
    let answer = run.post("/v1/messages", body).send().await.expect("an answer");
    let mut arriving = answer.bytes_stream();
    for next in [DELTA, DELTA] {
        arriving.next().await.expect("a piece").expect("bytes");
        pieces.send(piece(next)).await.expect("taken");
    }
    arriving.next().await.expect("a piece").expect("bytes");
    pieces.send(Err(std::io::Error::other("cut"))).await.expect("taken");
    arriving.next().await.expect("an end").expect_err("it is cut off for the client, too");
    let line = run.told.answers(1).await.remove(0);
    assert_eq!((line.usage.input_tokens, line.usage.output_tokens, line.estimated), (10, 4, true));
}

#[tokio::test]
async fn a_client_that_leaves_pays_for_what_was_said_and_ends_the_answer() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    let (pieces, coming) = mpsc::channel(1);
    api.answers(api::stream(coming));
    pieces.send(piece(START)).await.expect("taken");
    let body = r#"{"model":"claude-sonnet-4-5","stream":true}"#;
    let mut answer = run.post("/v1/messages", body).send().await.expect("an answer");
    answer.chunk().await.expect("bytes").expect("a piece");
    drop(answer);
    let line = run.told.answers(1).await.remove(0);
    assert_eq!((line.usage.input_tokens, line.estimated), (10, true));
    let ended = async { while pieces.send(piece(DELTA)).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the API is told that nobody listens");
}
