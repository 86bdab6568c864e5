//! The same rules by SOCKS5.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::run::{Run, World};

const GREETING: [u8; 3] = [5, 1, 2];
const PASSWORD: [u8; 11] = *b"\x01\x03run\x05token";

enum Host<'a> {
    Name(&'a [u8]),
    V4(Ipv4Addr),
    V6(&'a str),
}

fn request(command: u8, host: &Host<'_>, port: u16) -> Vec<u8> {
    let host = match host {
        Host::Name(name) => [&[3, u8::try_from(name.len()).unwrap()], *name].concat(),
        Host::V4(address) => [&[1], &address.octets()[..]].concat(),
        Host::V6(address) => [&[4], &address.parse::<std::net::Ipv6Addr>().unwrap().octets()[..]].concat(),
    };
    [&[5, command, 0], host.as_slice(), &port.to_be_bytes()].concat()
}

/// Asks with the credential; the connection, and the code of the answer.
async fn ask(run: &Run, request: &[u8]) -> (TcpStream, u8) {
    let mut stream = run.connect().await;
    stream.write_all(&[&GREETING[..], &PASSWORD, request].concat()).await.unwrap();
    let mut answer = [0; 14];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
    assert_eq!(answer[..5], [5, 2, 1, 0, 5]);
    (stream, answer[5])
}

/// Row 18.
#[tokio::test]
async fn only_connections_to_allowed_hosts_are_made() {
    let world = World::new().await;
    let run = world.run();
    for (command, host, port, code) in [
        (1, Host::Name(b"Allowed.test"), 443, 0),
        (1, Host::Name(b"denied.test"), 443, 2),
        (1, Host::Name(b"allowed.test\0.evil.test"), 443, 2),
        (1, Host::Name(b"\xff\xfe"), 443, 2),
        (1, Host::Name(b""), 443, 2),
        (1, Host::Name(b"127.0.0.1"), 443, 2),
        (1, Host::Name(b"2130706433"), 443, 2),
        (1, Host::Name(b"allowed.test"), 22, 2),
        (1, Host::Name(b"allowed.test"), 80, 2),
        (1, Host::V4(Ipv4Addr::LOCALHOST), 443, 2),
        (1, Host::V6("::1"), 443, 2),
        (1, Host::V6("::ffff:127.0.0.1"), 443, 2),
        (2, Host::Name(b"allowed.test"), 443, 7),
        (3, Host::V4(Ipv4Addr::UNSPECIFIED), 0, 7),
    ] {
        let asked = request(command, &host, port);
        assert_eq!(ask(&run, &asked).await.1, code, "{asked:?}");
    }
    assert_eq!(ask(&run, &[5, 1, 0, 9, 0, 0]).await.1, 8);
    run.end().await;
    world.forbidden.assert_unreached();
    assert_eq!(world.names.asked(), ["allowed.test"]);
}

/// Rows 1 and 15 by SOCKS5.
#[tokio::test]
async fn a_tunnel_is_held_to_its_host() {
    let world = World::new().await;
    let run = world.run();
    let asked = request(1, &Host::Name(b"allowed.test"), 443);
    let (stream, _) = ask(&run, &asked).await;
    assert!(world.handshake(stream, "allowed.test").await.is_ok());
    let (stream, _) = ask(&run, &asked).await;
    assert!(world.handshake(stream, "denied.test").await.is_err());
    assert_eq!(run.end().await, ["allowed.test:443 allowed x1", "allowed.test:443 denied SniMismatch x1"]);
}

#[tokio::test]
async fn the_credential_is_asked_for() {
    let world = World::new().await;
    let run = world.run();
    for (sent, expected) in [
        (&b"\x05\x01\x00"[..], &[5, 255][..]),
        (b"\x05\x00", &[5, 255]),
        (b"\x05\x01\x02\x01\x03run\x05other", &[5, 2, 1, 1]),
        (b"\x05\x02\x00\x02\x01\x00\x00", &[5, 2, 1, 1]),
    ] {
        let mut stream = run.connect().await;
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an end in time").unwrap();
        assert_eq!(answer, expected);
    }
    assert_eq!(run.end().await, [":0 denied Credential x4"]);
}
