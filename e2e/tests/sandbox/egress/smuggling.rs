//! Requests that mean two things at once.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_17_what_could_be_read_in_two_ways_is_refused,
    row_17_a_second_request_is_not_passed_on,
}

in_containers! {
    row_17_what_could_be_read_in_two_ways_is_refused,
    row_17_a_second_request_is_not_passed_on,
}

async fn row_17_what_could_be_read_in_two_ways_is_refused(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
host = "Host: allowed.test\r\n"
for what, line, fields in [
    ("two lengths", "POST http://allowed.test/ HTTP/1.1", host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ("two equal lengths", "POST http://allowed.test/ HTTP/1.1", host + "Content-Length: 5\r\nContent-Length: 5\r\n"),
    ("chunks", "POST http://allowed.test/ HTTP/1.1", host + "Transfer-Encoding: chunked\r\n"),
    ("a sign", "POST http://allowed.test/ HTTP/1.1", host + "Content-Length: +5\r\n"),
    ("a fold", "GET http://allowed.test/ HTTP/1.1", host + "X: a\r\n b\r\n"),
    ("a bare LF", "GET http://allowed.test/ HTTP/1.1", host + "X: a\nHost: denied.test\r\n"),
    ("two hosts", "GET http://allowed.test/ HTTP/1.1", host + "Host: denied.test\r\n"),
    ("another host", "GET http://allowed.test/ HTTP/1.1", "Host: denied.test\r\n"),
    ("another target", "GET http://denied.test/ HTTP/1.1", host),
    ("no host", "GET http://allowed.test/ HTTP/1.1", ""),
    ("no host in 1.0", "GET http://allowed.test/ HTTP/1.0", ""),
    ("a user", "GET http://denied.test@allowed.test/ HTTP/1.1", host),
    ("a path alone", "GET / HTTP/1.1", host),
    ("another scheme", "GET ftp://allowed.test/ HTTP/1.1", host),
    ("TRACE", "TRACE http://allowed.test/ HTTP/1.1", host),
    ("HTTP/2", "PRI * HTTP/2.0", host),
]:
    say(what, status(f"{line}\r\n{fields}{key()}\r\n"))
"#;
    world.attack(attacker, script).await.told.check(&[
        ("two lengths", "400"),
        ("two equal lengths", "400"),
        ("chunks", "411"),
        ("a sign", "400"),
        ("a fold", "400"),
        ("a bare LF", "400"),
        ("two hosts", "400"),
        ("another host", "421"),
        ("another target", "421"),
        ("no host", "400"),
        ("no host in 1.0", "400"),
        ("a user", "400"),
        ("a path alone", "400"),
        ("another scheme", "400"),
        ("TRACE", "405"),
        ("HTTP/2", "400"),
    ]);
    assert_eq!(world.http.heard(), "");
    world.denied.check_untouched();
}

async fn row_17_a_second_request_is_not_passed_on(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
second = f"GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n{key()}\r\n"
first = f"POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\n{key()}\r\nabc"
it, head = talk(first + second + second)
say("first", head[9:12])
say("after it", rest(it))
"#;
    world.attack(attacker, script).await.told.check(&[("first", "200"), ("after it", "hello")]);
    assert!(!world.http.heard().contains("denied.test"), "{}", world.http.heard());
    world.denied.check_untouched();
}
