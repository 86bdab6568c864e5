//! Programs that hold on to the proxy, or knock without end.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::DEADLINE;
use crate::run::{World, rest_of};

/// Over soon, and yet enough for a request on a busy machine.
const SHORT: Duration = Duration::from_millis(500);

/// Row 30: connections that never say what they want, in every state that they can stop in.
#[tokio::test]
async fn who_does_not_say_what_it_wants_is_sent_away() {
    let mut world = World::new().await;
    world.limits.opening = SHORT;
    let run = world.run();
    let halves = ["", "C", "CONNECT allowed.test:443 HTTP/1.1\r\n", "\x05", "\x05\x01\x02\x01\x03ru"];
    let begin_with = |sent: &'static str| async {
        let mut stream = run.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    };
    join_all(halves.map(begin_with)).await;
    let mut stream = run.tunnel("allowed.test").await;
    stream.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(rest_of(&mut stream).await, "");
    assert_eq!(run.end().await, [":0 denied TimedOut x5", "allowed.test:443 denied TimedOut x1"]);
}

/// Row 30: a byte now and then does not make the time longer.
#[tokio::test]
async fn a_trickle_is_not_a_request() {
    let mut world = World::new().await;
    world.limits.opening = SHORT;
    let run = world.run();
    let (mut answers, mut requests) = run.connect().await.into_split();
    let trickle = async {
        let mut pace = tokio::time::interval(SHORT / 10);
        while requests.write_all(b"C").await.is_ok() {
            pace.tick().await;
        }
    };
    let mut answer = String::new();
    tokio::select! {
        () = trickle => {}
        read = timeout(DEADLINE, answers.read_to_string(&mut answer)) => drop(read.expect("an answer in time")),
    }
    assert_eq!(run.end().await, [":0 denied TimedOut x1"]);
}

/// Row 30: many at once take the places of their own run only, and these come back.
#[tokio::test]
async fn a_flood_of_half_open_connections_is_turned_away() {
    let mut world = World::new().await;
    world.limits.connections = 4;
    let run = world.run();
    let holders = [run.tunnel("allowed.test").await, run.connect().await, run.connect().await, run.connect().await];
    // Connections are accepted in their order, so these are over the limit.
    let further = join_all((0..200).map(|_| async { rest_of(&mut run.connect().await).await })).await;
    assert!(further.iter().all(|answer| answer.starts_with("HTTP/1.1 503") || answer.is_empty()), "{further:?}");
    drop(holders);
    let answered = async {
        while world.get_quietly(&run).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, answered).await.expect("a place in time");
    let told = run.end().await;
    assert!(told.iter().any(|told| told.starts_with(":0 denied Limit x")), "{told:?}");
    assert!(told.len() <= 4, "{told:?}");
}

/// Row 30.
#[tokio::test]
async fn an_idle_tunnel_is_closed() {
    let mut world = World::new().await;
    world.limits.idle = SHORT;
    let run = world.run();
    let mut stream = world.handshake(run.tunnel("allowed.test").await, "allowed.test").await.unwrap();
    let read = timeout(DEADLINE, stream.read(&mut [0; 1])).await.expect("an end in time");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn dropping_the_guard_ends_all_tunnels() {
    let world = World::new().await;
    let run = world.run();
    let mut stream = world.handshake(run.tunnel("allowed.test").await, "allowed.test").await.unwrap();
    let mut waiting = run.connect().await;
    drop(run.guard);
    let read = timeout(DEADLINE, stream.read(&mut [0; 1])).await.expect("an end in time");
    assert!(matches!(read, Ok(0) | Err(_)));
    assert_eq!(rest_of(&mut waiting).await, "");
    let mut decisions = run.decisions;
    while timeout(DEADLINE, decisions.next()).await.expect("an end in time").is_some() {}
}

#[tokio::test]
async fn who_speaks_something_else_need_not_wait() {
    let world = World::new().await;
    let run = world.run();
    for sent in [&b"\x16\x03\x01"[..], b"\x04\x01", b"\r\n", b"get"] {
        let mut stream = run.connect().await;
        stream.write_all(sent).await.unwrap();
        assert!(rest_of(&mut stream).await.starts_with("HTTP/1.1 400"));
    }
}

#[tokio::test]
async fn a_flood_of_denials_stays_small() {
    let world = World::new().await;
    let run = world.run();
    for _ in 0..100 {
        assert_eq!(run.status_of("denied.test:443").await, 403);
    }
    let mut decisions = run.decisions;
    run.guard.close().await;
    let mut told = Vec::new();
    while let Some(decision) = decisions.next().await {
        told.push(decision.count);
    }
    assert_eq!(told.last(), Some(&100));
    assert!(told.len() <= 8, "{told:?}");
}
