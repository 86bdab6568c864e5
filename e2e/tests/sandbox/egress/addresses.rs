//! Addresses in their disguises, and names that lead to the wrong ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::world::World;
use crate::lab::Attacker;
use crate::outside::own_address;

as_each_user! {
    row_05_an_ipv4_address_is_denied_however_it_is_written,
    row_06_an_ipv6_address_is_denied_however_it_is_written,
    row_07_metadata_is_denied_by_name_and_by_address,
    row_08_an_allowed_name_with_a_wrong_address_is_denied,
    row_09_a_name_is_looked_up_once_for_each_connection,
    row_23_the_machine_is_not_reached_by_the_proxy,
}

in_containers! {
    row_05_an_ipv4_address_is_denied_however_it_is_written,
    row_06_an_ipv6_address_is_denied_however_it_is_written,
    row_07_metadata_is_denied_by_name_and_by_address,
    row_08_an_allowed_name_with_a_wrong_address_is_denied,
    row_09_a_name_is_looked_up_once_for_each_connection,
    row_23_the_machine_is_not_reached_by_the_proxy,
}

/// Tries each host by a tunnel, by a plain request and with curl, which may spell it anew.
async fn check_denied(world: &World, attacker: Attacker, hosts: &[(&str, &str)]) -> Vec<String> {
    let names: Vec<&str> = hosts.iter().map(|(host, _)| *host).collect();
    let script = format!(
        r#"
for host in {names:?}:
    say(host, f"{{tunnel(host + ':443')}} {{get(host)}}")
    reached = [curl(f"https://{{host}}/"), curl(f"http://{{host}}/")]
    if any(code.startswith("2") for code in reached):
        say(host, f"reached by curl, {{reached}}")
"#
    );
    let seen = world.attack(attacker, &script).await;
    seen.told.check(hosts);
    world.denied.check_untouched();
    seen.decisions
}

async fn row_05_an_ipv4_address_is_denied_however_it_is_written(attacker: Attacker) {
    let world = World::new().await;
    let (denied, odd) = ("403 403", "400 400");
    let hosts = [
        ("127.0.0.1", denied),
        ("8.8.8.8", denied),
        ("2130706433", odd),
        ("0x7f.1", odd),
        ("0x7f000001", odd),
        ("017700000001", odd),
        ("127.1", odd),
        ("127.0.0.01", odd),
        ("127.0.0.1.", odd),
    ];
    check_denied(&world, attacker, &hosts).await;
    assert!(world.names.asked().is_empty());
}

async fn row_06_an_ipv6_address_is_denied_however_it_is_written(attacker: Attacker) {
    let world = World::new().await;
    let (denied, odd) = ("403 403", "400 400");
    let hosts = [
        ("[::1]", denied),
        ("[2001:4860:4860::8888]", denied),
        ("[::ffff:169.254.169.254]", denied),
        ("[64:ff9b::a9fe:a9fe]", denied),
        ("[2002:a9fe:a9fe::]", denied),
        ("[fe80::1%25eth0]", odd),
        ("::1", odd),
    ];
    check_denied(&world, attacker, &hosts).await;
    assert!(world.names.asked().is_empty());
}

/// Also where somebody has put them on the list.
async fn row_07_metadata_is_denied_by_name_and_by_address(attacker: Attacker) {
    let mut world = World::new().await;
    let addresses = ["169.254.169.254", "100.100.100.200", "fd00:ec2::254"];
    for address in addresses {
        world.lead(address, address.parse().expect("an address"));
    }
    // A server that tells of who reaches it, outside of what is exempt.
    world.lead("metadata.google.internal", Ipv4Addr::new(127, 0, 0, 2).into());
    let hosts = ["metadata.google.internal", "169.254.169.254", "100.100.100.200", "[fd00:ec2::254]"];
    let hosts = hosts.map(|host| (host, "403 403"));
    let decisions = check_denied(&world, attacker, &hosts).await;
    assert!(
        decisions.iter().all(|it| it.contains("denied NotListed") || it.contains("denied IpLiteral")),
        "{decisions:?}"
    );
    assert!(world.names.asked().is_empty());
    world.allowed = [&["metadata.google.internal"][..], &addresses].concat();
    let decisions = check_denied(&world, attacker, &hosts).await;
    assert!(decisions.iter().all(|it| it.contains("denied PrivateAddress")), "{decisions:?}");
}

async fn row_08_an_allowed_name_with_a_wrong_address_is_denied(attacker: Attacker) {
    let mut world = World::new().await;
    world.allowed = vec!["loopback.test", "lan.test", "metadata.test", "mapped.test", "both.test"];
    world.lead("loopback.test", Ipv4Addr::new(127, 0, 0, 2).into());
    world.lead("lan.test", Ipv4Addr::new(192, 168, 1, 1).into());
    world.lead("metadata.test", Ipv4Addr::new(169, 254, 169, 254).into());
    world.lead("mapped.test", "::ffff:127.0.0.1".parse().expect("an address"));
    // One wrong answer beside a right one.
    let wrong = SocketAddr::from(([127, 0, 0, 2], world.denied.port()));
    for port in [443, 80] {
        world.names.set("both.test", port, vec![vec![world.https.address, wrong]]);
    }
    let hosts: Vec<_> = world.allowed.iter().map(|host| (*host, "403 403")).collect();
    let decisions = check_denied(&world, attacker, &hosts).await;
    assert!(decisions.iter().all(|it| it.contains("denied PrivateAddress")), "{decisions:?}");
}

async fn row_09_a_name_is_looked_up_once_for_each_connection(attacker: Attacker) {
    let world = World::new().await;
    let wrong = SocketAddr::from(([127, 0, 0, 2], world.denied.port()));
    world.names.set("allowed.test", 443, vec![vec![world.https.address], vec![wrong]]);
    let script = r#"
say("first", curl("https://allowed.test/"))
say("second", curl("https://allowed.test/"))
"#;
    world.attack(attacker, script).await.told.check(&[("first", "200 200"), ("second", "000 403")]);
    assert_eq!(world.names.asked(), ["allowed.test", "allowed.test"]);
    world.denied.check_untouched();
}

/// Its addresses are on the list, and by no exemption public.
async fn row_23_the_machine_is_not_reached_by_the_proxy(attacker: Attacker) {
    let mut world = World::new().await;
    world.exempt.clear();
    let own = own_address();
    let names = ["localhost", "host.docker.internal", "redis"];
    for (name, address) in names.into_iter().zip([Ipv4Addr::LOCALHOST.into(), own, IpAddr::from([172, 17, 0, 1])]) {
        world.lead(name, address);
    }
    let literal: &'static str = own.to_string().leak();
    world.allowed = [&names[..], &["127.0.0.1", "0.0.0.0", "172.17.0.1", literal]].concat();
    for address in &world.allowed[names.len()..] {
        world.lead(address, address.parse().expect("an address"));
    }
    let hosts: Vec<_> = world.allowed.iter().map(|host| (*host, "403 403")).collect();
    let decisions = check_denied(&world, attacker, &hosts).await;
    assert!(decisions.iter().all(|it| it.contains("denied PrivateAddress")), "{decisions:?}");
    let port = world.denied.port();
    let script = format!(r#"say("its port", f"{{tunnel('127.0.0.1:{port}')}} {{get('127.0.0.1:{port}')}}")"#);
    world.attack(attacker, &script).await.told.check(&[("its port", "403 403")]);
    world.denied.check_untouched();
}
