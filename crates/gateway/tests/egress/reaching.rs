//! What is let through, and how a run learns what is not.

use std::net::{Ipv4Addr, TcpListener};

use legwork_gateway::egress::{Mode, Reason, Verdict, forward};
use legwork_model::DomainPattern;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::run::{World, rest_of, status};

/// Row 1: without it all others would mean nothing.
#[tokio::test]
async fn https_to_an_allowed_host_works() {
    let world = World::new().await;
    let mut run = world.run();
    let answer = world.get(&run, "allowed.test", "allowed.test").await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(world.https.heard().starts_with("GET / HTTP/1.1"));
    let first = run.decisions.next().await.unwrap();
    assert_eq!((first.host.as_str(), first.port, first.verdict), ("allowed.test", 443, Verdict::Allowed));
    run.guard.close().await;
    let last = run.decisions.next().await.unwrap();
    assert!(last.bytes_up > 200 && last.bytes_down > 500, "{last:?}");
    assert_eq!(run.decisions.next().await, None);
}

#[tokio::test]
async fn plain_http_to_an_allowed_host_works() {
    let world = World::new().await;
    let run = world.run();
    let body = "x".repeat(300_000);
    let length = body.len();
    let head = format!("POST http://allowed.test/a?b HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: {length}\r\n");
    let answer = run.ask(&format!("{head}KEY\r\n\r\n{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert_eq!(run.end().await, ["allowed.test:80 allowed x1"]);
    let heard = world.http.heard();
    assert!(
        heard.starts_with("POST /a?b HTTP/1.1\r\nhost: allowed.test\r\n") && !heard.contains("uthorization"),
        "{heard}"
    );
}

/// Row 2.
#[tokio::test]
async fn a_denied_host_is_refused_and_the_run_goes_on() {
    let world = World::new().await;
    let mut run = world.run();
    let answer = run.ask("CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test:443\r\nKEY\r\n\r\n").await;
    assert_eq!(status(&answer), 403);
    assert!(answer.contains("denied.test is not in allowedDomains"), "{answer}");
    assert_eq!(run.status_of_get("denied.test").await, 403);
    let decision = run.decisions.next().await.unwrap();
    assert_eq!(decision.verdict, Verdict::Denied(Reason::NotListed));
    assert!(world.get(&run, "allowed.test", "allowed.test").await.is_ok());
    run.end().await;
    world.forbidden.assert_unreached();
    // A name that is denied must not reach DNS either.
    assert_eq!(world.names.asked(), ["allowed.test"]);
}

#[tokio::test]
async fn observing_lets_through_and_tells() {
    let mut world = World::new().await;
    (world.mode, world.allowed) = (Mode::Observe, Vec::new());
    let run = world.run();
    assert!(world.get(&run, "allowed.test", "allowed.test").await.is_ok());
    assert_eq!(run.status_of_get("allowed.test").await, 200);
    assert_eq!(run.status_of("allowed.test:22").await, 403);
    assert_eq!(
        run.end().await,
        [
            "allowed.test:22 denied Port x1",
            "allowed.test:443 observed NotListed x1",
            "allowed.test:80 observed NotListed x1",
        ]
    );
}

#[tokio::test]
async fn observing_tells_of_a_wrong_server_name() {
    let mut world = World::new().await;
    world.mode = Mode::Observe;
    let run = world.run();
    assert!(world.get(&run, "allowed.test", "denied.test").await.is_ok());
    assert_eq!(run.end().await, ["allowed.test:443 observed SniMismatch x1"]);
}

/// Row 22 in part: what goes to a listed host is not looked into, so a model's API is not listed but forwarded to.
#[tokio::test]
async fn the_api_of_a_model_has_to_be_listed_like_any_other_host() {
    let world = World::new().await;
    let run = world.run();
    assert_eq!(run.status_of("api.anthropic.com:443").await, 403);
    assert_eq!(run.status_of("gist.github.com:443").await, 403);
}

#[tokio::test]
async fn the_proxy_of_another_run_needs_its_credential() {
    let world = World::new().await;
    let run = world.run();
    for field in ["", "Proxy-Authorization: Basic cnVuOm90aGVy\r\n", "Proxy-Authorization: Bearer token\r\n"] {
        let answer =
            run.ask(&format!("CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n{field}\r\n")).await;
        assert!(status(&answer) == 407 && answer.contains("Proxy-Authenticate: Basic"), "{answer}");
    }
    assert_eq!(run.end().await, [":0 denied Credential x3"]);
    assert!(world.names.asked().is_empty());
}

/// Row 31.
#[test]
fn a_list_with_too_much_in_it_is_refused() {
    for text in ["*", "*.com", "http://x", "a b", r"x\nhttp_access allow all"] {
        let error = serde_json::from_str::<Vec<DomainPattern>>(&format!(r#"["{text}"]"#)).unwrap_err().to_string();
        assert!(error.contains("is not allowed here"), "{error}");
    }
}

#[tokio::test]
async fn a_service_is_forwarded_until_the_guard_is_dropped() {
    let world = World::new().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let guard = forward(listener, world.http.address).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut open = TcpStream::connect(address).await.unwrap();
    guard.close().await;
    assert_eq!(rest_of(&mut open).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}
