//! What requests are taken for.

use proptest::prelude::*;

use super::head;
use super::refusal::Refusal;
use super::request::{Request, length, understand};

const KEY: &str = "Proxy-Authorization: right\r\n";

fn ask(request: &str) -> Result<Request, Refusal> {
    head::parse(request.as_bytes()).and_then(|head| understand(&head, |value| value == b"right"))
}

fn check(request: &str, expect: Result<&str, &str>) {
    let found = match ask(&request.replace("KEY\r\n", KEY)) {
        Ok(Request::Tunnel { host, port }) => Ok(format!("{host} {port}")),
        Ok(Request::Plain(plain)) => Ok(String::from_utf8(plain.head).unwrap().replace("\r\n", "|")),
        Err(refusal) => Err(String::from_utf8(refusal.to_bytes()).unwrap()[9..12].to_owned()),
    };
    assert_eq!(found.as_deref().map_err(String::as_str), expect, "{request:?}");
}

#[test]
fn a_tunnel_has_one_host_and_one_port() {
    check("CONNECT A.test:443 HTTP/1.1\r\nHost: a.TEST:443\r\nKEY\r\n\r\n", Ok("a.test 443"));
    check("CONNECT a.test.:443 HTTP/1.1\r\nHost: a.test\r\nKEY\r\n\r\n", Ok("a.test 443"));
    check("CONNECT a.test:443 HTTP/1.0\r\nKEY\r\n\r\n", Ok("a.test 443"));
    check("CONNECT [2001:DB8::7]:443 HTTP/1.0\r\nKEY\r\n\r\n", Ok("2001:db8::7 443"));
    check("CONNECT a.test:22 HTTP/1.0\r\nKEY\r\n\r\n", Ok("a.test 22"));
    check("CONNECT a.test:443 HTTP/1.1\r\nKEY\r\n\r\n", Err("400"));
    check("CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\nKEY\r\n\r\n", Err("421"));
    check("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:444\r\nKEY\r\n\r\n", Err("421"));
    check("CONNECT a.test:443 HTTP/1.0\r\nHost: a.test\r\nHost: a.test\r\nKEY\r\n\r\n", Err("400"));
    check("CONNECT a.test:443 HTTP/1.0\r\nContent-Length: 5\r\nKEY\r\n\r\n", Err("400"));
    for target in [
        "a.test",
        "a.test:",
        "a.test:65536",
        "a.test:+443",
        "a.test:0x1bb",
        ":443",
        "a.test:443@evil.test",
        "u@a.test:443",
        "a.test:443:443",
        "a.test:443@evil.test:443",
        "::1:443",
        "[::1%25eth0]:443",
        "[fe80::1%eth0]:443",
        "127.1:443",
        "2130706433:443",
        "a.test%00.evil.test:443",
        "http://a.test:443",
        "a.test/:443",
        "[a.test]:443",
        "bücher.test:443",
    ] {
        check(&format!("CONNECT {target} HTTP/1.0\r\nKEY\r\n\r\n"), Err("400"));
    }
}

#[test]
fn a_forwarded_request_is_written_anew() {
    let sent = "POST http://A.test:80/b?c HTTP/1.1\r\nHost: a.test\r\nX:  1 \r\nConnection: close, X-Hop, Content-Length\r\n\
        X-Hop: 1\r\nUpgrade: h2c\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nContent-Length: 5\r\nKEY\r\n\r\n";
    check(sent, Ok("POST /b?c HTTP/1.1|host: a.test|x: 1|content-length: 5|connection: close||"));
    check(
        "GET HTTP://a.test?x HTTP/1.0\r\nHost: a.test:80\r\nKEY\r\n\r\n",
        Ok("GET /?x HTTP/1.1|host: a.test|connection: close||"),
    );
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (fields, status) in [
        ("Host: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "400"),
        ("Host: a.test\r\nContent-Length: 5\r\nContent-Length: 5\r\n", "400"),
        ("Host: a.test\r\nContent-Length: +5\r\n", "400"),
        ("Host: a.test\r\nContent-Length: 5, 5\r\n", "400"),
        ("Host: a.test\r\nContent-Length: \r\n", "400"),
        ("Host: a.test\r\nContent-Length: 99999999999999999999\r\n", "400"),
        ("Host: a.test\r\nTransfer-Encoding: chunked\r\n", "411"),
        ("Host: a.test\r\nTransfer-Encoding: xchunked\r\n", "411"),
        ("Host: a.test\r\nX: a\r\n folded\r\n", "400"),
        ("Host: a.test\r\nX : a\r\n", "400"),
        ("Host: a.test\r\nX: a\0b\r\n", "400"),
        ("Host: a.test\r\nX: a\nY: b\r\n", "400"),
        ("Host: a.test\r\nX: a\rY: b\r\n", "400"),
        ("Host: a.test\r\nHost: a.test\r\n", "400"),
        ("Host: a.test\r\nhost: evil.test\r\n", "400"),
        ("", "400"),
        ("Host: evil.test\r\n", "421"),
        ("Host: a.test:8080\r\n", "421"),
        ("Host: u@a.test\r\n", "400"),
        ("Host: \r\n", "400"),
    ] {
        check(&format!("POST http://a.test/ HTTP/1.1\r\n{fields}KEY\r\n\r\n"), Err(status));
    }
    check("GET http://a.test/ HTTP/1.0\r\nKEY\r\n\r\n", Err("400"));
}

#[test]
fn only_whole_addresses_are_forwarded() {
    for (line, status) in [
        ("GET / HTTP/1.1", "400"),
        ("OPTIONS * HTTP/1.1", "400"),
        ("GET https://a.test/ HTTP/1.1", "400"),
        ("GET ftp://a.test/ HTTP/1.1", "400"),
        ("GET http://u:p@a.test/ HTTP/1.1", "400"),
        ("GET http://a.test\\@evil.test/ HTTP/1.1", "400"),
        ("GET http:///a.test/ HTTP/1.1", "400"),
        ("GET http://a.test/#x HTTP/1.1", "400"),
        ("GET http://a.test/ü HTTP/1.1", "400"),
        ("GET http://a.test:8080/ HTTP/1.1", "403"),
        ("GET  http://a.test/ HTTP/1.1", "400"),
        ("GET http://a.test/ HTTP/2.0", "400"),
        ("GET http://a.test/", "400"),
        ("TRACE http://a.test/ HTTP/1.1", "405"),
        ("get http://a.test/ HTTP/1.1", "405"),
        ("PROPFIND http://a.test/ HTTP/1.1", "405"),
    ] {
        check(&format!("{line}\r\nHost: a.test\r\nKEY\r\n\r\n"), Err(status));
    }
}

#[test]
fn nothing_is_done_without_the_credential() {
    check("CONNECT a.test:443 HTTP/1.0\r\n\r\n", Err("407"));
    check("CONNECT a.test:443 HTTP/1.0\r\nProxy-Authorization: wrong\r\n\r\n", Err("407"));
    check("CONNECT a.test:443 HTTP/1.0\r\nKEY\r\nKEY\r\n\r\n", Err("400"));
    check("CONNECT a.test:443 HTTP/1.0\r\nAuthorization: right\r\n\r\n", Err("407"));
}

#[test]
fn what_is_written_down_of_a_bad_request_is_its_host_alone() {
    let request = format!("GET http://user:secret@a_%/path?token HTTP/1.1\r\nHost: a\r\n{KEY}\r\n");
    assert_eq!(ask(&request).unwrap_err().host(), "a_%");
}

#[tokio::test]
async fn a_head_has_an_end() {
    let endless = format!("GET http://a.test/ HTTP/1.1\r\nX: {}", "a".repeat(100_000));
    let refusal = head::read(&mut endless.as_bytes(), &mut Vec::new()).await.unwrap_err();
    assert_eq!(refusal, Some(Refusal::too_large()));
    assert_eq!(head::read(&mut &b"GET / HTTP/1.1\r\n"[..], &mut Vec::new()).await.unwrap_err(), None);
    let many = format!("GET http://a.test/ HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(101));
    assert!(head::parse(many.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn what_is_forwarded_is_one_request_for_one_host(
        target in "http://(a|[ab.:@%\\[\\]]{1,4})(:80)?[/?#@]?[ab.:@/?#%]{0,6}|\\PC{0,9}",
        fields in prop::collection::vec("(Host|X|Content-Length|Transfer-Encoding|Connection| ): ?[a-b.:0-9\r\n,]{0,9}", 0..4),
        version in "HTTP/1.[01]",
    ) {
        let request = format!("GET {target} {version}\r\nHost: a\r\n{}\r\n{KEY}\r\n", fields.join("\r\n"));
        if let Ok(Request::Plain(plain)) = ask(&request) {
            let again = head::parse(&plain.head).unwrap();
            prop_assert_eq!(again.single("host").unwrap(), Some(plain.host.as_str().as_bytes()));
            prop_assert!(again.target.starts_with('/'));
            prop_assert_eq!(length(&again).unwrap(), plain.length);
            prop_assert!(again.single("proxy-authorization").unwrap().is_none());
        }
    }

    #[test]
    fn no_head_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = head::parse(&bytes);
    }
}
