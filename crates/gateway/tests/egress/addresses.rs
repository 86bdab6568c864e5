//! Addresses in all their disguises, and names that lead to the wrong ones.

use std::net::SocketAddr;

use legwork_gateway::egress::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::run::World;

/// Rows 5 and 6.
#[tokio::test]
async fn an_address_that_is_not_listed_is_denied_however_it_is_written() {
    let world = World::new().await;
    let run = world.run();
    let plain = ["127.0.0.1", "8.8.8.8", "[::1]", "[2001:4860:4860::8888]"];
    let disguised = ["[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]"];
    let odd = [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "127.1",
        "127.0.0.01",
        "127.0.0.1.",
        "::1",
        "[fe80::1%25eth0]",
    ];
    for (hosts, status) in [(&plain[..], 403), (&disguised, 403), (&odd, 400)] {
        for host in hosts {
            assert_eq!(run.status_of(&format!("{host}:443")).await, status, "{host}");
            assert_eq!(run.status_of_get(host).await, status, "{host}");
        }
    }
    run.end().await;
    world.forbidden.assert_unreached();
    assert!(world.names.asked().is_empty());
}

#[tokio::test]
async fn a_listed_address_needs_no_server_name() {
    let mut world = World::new().await;
    world.allowed = vec!["127.0.0.1"];
    world.names.set("127.0.0.1", 443, &[world.https.address]);
    let run = world.run();
    let mut stream = world.handshake(run.tunnel("127.0.0.1").await, "127.0.0.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(run.end().await, ["127.0.0.1:443 allowed x1"]);
}

/// Rows 7, 8 and 23: also where everything public is allowed, by name and by address.
#[tokio::test]
async fn what_is_not_public_is_denied_by_name_and_by_address() {
    let mut world = World::new().await;
    let private = [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "127.0.0.1",
        "10.0.0.5",
        "172.17.0.1",
        "192.168.1.1",
        "0.0.0.0",
        "fd00:ec2::254",
        "::1",
        "::ffff:10.0.0.5",
        "fe80::1",
    ];
    let names = ["metadata.google.internal", "host.docker.internal", "localhost", "redis", "allowed.test"];
    for mode in [Mode::Enforce, Mode::Observe, Mode::Public] {
        world.mode = mode;
        world.allowed = names.iter().chain(&private).copied().collect();
        let run = world.run_without_exceptions();
        for address in private {
            let address = SocketAddr::new(address.parse().unwrap(), world.forbidden.address().port());
            world.names.set(&address.ip().to_string(), 443, &[address]);
            let literal = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
            assert_eq!(run.status_of(&format!("{literal}:443")).await, 403, "{literal}");
            for name in names {
                world.names.set(name, 443, &[address]);
                assert_eq!(run.status_of(&format!("{name}:443")).await, 403, "{name} at {address}");
            }
        }
        let told = run.end().await;
        assert!(told.iter().all(|told| told.contains("denied PrivateAddress")), "{told:?}");
    }
    world.forbidden.assert_unreached();
}

/// Row 8: one private answer among public ones is enough.
#[tokio::test]
async fn one_wrong_answer_denies_all() {
    let world = World::new().await;
    let private: SocketAddr = "127.0.0.2:443".parse().unwrap();
    world.names.set("allowed.test", 443, &[world.https.address, private]);
    let run = world.run();
    assert_eq!(run.status_of("allowed.test:443").await, 403);
    assert_eq!(run.end().await, ["allowed.test:443 denied PrivateAddress x1"]);
}

/// Row 9.
#[tokio::test]
async fn a_name_is_looked_up_once_and_the_judged_address_is_dialled() {
    let world = World::new().await;
    let later = SocketAddr::new([127, 0, 0, 2].into(), world.forbidden.address().port());
    world.names.set_changing("allowed.test", 443, vec![vec![world.https.address], vec![later]]);
    let run = world.run();
    let answer = world.get(&run, "allowed.test", "allowed.test").await.unwrap();
    assert!(answer.ends_with("hello"));
    assert_eq!(world.names.asked().len(), 1);
    assert_eq!(run.status_of("allowed.test:443").await, 403);
    assert_eq!(world.names.asked().len(), 2);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told_apart_from_one_that_is_denied() {
    let mut world = World::new().await;
    world.allowed = vec!["nowhere.test", "closed.test"];
    let run = world.run();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.names.set("closed.test", 443, &[closed]);
    assert_eq!(run.status_of("nowhere.test:443").await, 502);
    assert_eq!(run.status_of("closed.test:443").await, 502);
    let told = ["closed.test:443 denied Unreachable x1", "nowhere.test:443 denied Unresolvable x1"];
    assert_eq!(run.end().await, told);
}
