//! Plain requests that mean two things at once.

use tokio::io::AsyncWriteExt;

use crate::internet::Site;
use crate::run::{KEY, World, rest_of, status};

/// Row 17, and the `Host` of row 15.
#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let world = World::new().await;
    let run = world.run();
    let host = "Host: allowed.test\r\n";
    for (line, fields, expected) in [
        (
            "POST http://allowed.test/ HTTP/1.1",
            format!("{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        ("GET http://allowed.test/ HTTP/1.1", format!("{host}X: a\r\n b\r\n"), 400),
        ("GET http://allowed.test/ HTTP/1.1", format!("{host}Host: denied.test\r\n"), 400),
        ("GET http://allowed.test/ HTTP/1.1", "Host: denied.test\r\n".to_owned(), 421),
        ("GET http://allowed.test/ HTTP/1.1", String::new(), 400),
        ("GET http://allowed.test/ HTTP/1.0", String::new(), 400),
        ("GET http://user@allowed.test/ HTTP/1.1", host.to_owned(), 400),
        ("GET / HTTP/1.1", host.to_owned(), 400),
        ("TRACE http://allowed.test/ HTTP/1.1", host.to_owned(), 405),
        ("PRI * HTTP/2.0", String::new(), 400),
    ] {
        let answer = run.ask(&format!("{line}\r\n{fields}KEY\r\n\r\n")).await;
        assert_eq!(status(&answer), expected, "{line} {fields}");
    }
    run.end().await;
    assert_eq!(world.http.heard(), "");
}

/// Row 17: what stands behind a request is not another one.
#[tokio::test]
async fn a_second_request_in_a_connection_is_not_passed_on() {
    let world = World::new().await;
    let run = world.run();
    let second = "GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n";
    let first = "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\n";
    let answer = run.ask(&format!("{first}KEY\r\n\r\nabc{second}{second}")).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    run.end().await;
    assert!(!world.http.heard().contains("denied.test"), "{}", world.http.heard());
    world.forbidden.assert_unreached();
}

/// Row 16.
#[tokio::test]
async fn a_redirect_leads_no_further_than_the_list() {
    let world = World::new().await;
    let away = "HTTP/1.1 302 Found\r\nLocation: http://denied.test/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let site = Site::plain(away).await;
    world.names.set("allowed.test", 80, &[site.address]);
    let run = world.run();
    let answer = run.ask("GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nKEY\r\n\r\n").await;
    let (_, location) = answer.split_once("Location: http://").unwrap();
    let host = location.split('/').next().unwrap();
    assert_eq!((host, run.status_of_get(host).await), ("denied.test", 403));
    assert_eq!(run.end().await, ["allowed.test:80 allowed x1", "denied.test:80 denied NotListed x1"]);
    world.forbidden.assert_unreached();
}

#[tokio::test]
async fn a_host_hears_of_a_body_that_breaks_off() {
    let world = World::new().await;
    let run = world.run();
    let mut stream = run.connect().await;
    let head = format!("POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 9\r\n{KEY}\r\nabc");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // The host answers, and then sees the end of what it was promised more of.
    assert!(rest_of(&mut stream).await.ends_with("hello"));
    assert!(world.http.heard().contains("content-length: 9\r\n"));
}
