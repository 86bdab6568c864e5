//! Tunnels to an allowed host that are used for something else.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_15_another_server_name_is_denied_before_the_host_hears_of_it,
    row_15_a_tunnel_that_is_not_tls_is_denied,
    row_15_another_host_field_is_denied,
    row_15_what_remains_a_host_field_inside_tls_is_not_seen,
}

in_containers! {
    row_15_another_server_name_is_denied_before_the_host_hears_of_it,
    row_15_a_tunnel_that_is_not_tls_is_denied,
    row_15_another_host_field_is_denied,
    row_15_what_remains_a_host_field_inside_tls_is_not_seen,
}

async fn row_15_another_server_name_is_denied_before_the_host_hears_of_it(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
say("curl", curl("--connect-to", "denied.test:443:allowed.test:443", "https://denied.test/"))
for name in ["denied.test", "allowed.test.denied.test", None]:
    it, _ = talk(tunnel_request("allowed.test:443"))
    context = ssl.create_default_context()
    context.check_hostname = False
    try:
        context.wrap_socket(it, server_hostname=name)
        say(name, "shook hands")
    except OSError:
        say(name, "no handshake")
"#;
    let seen = world.attack(attacker, script).await;
    let none = "no handshake";
    seen.told.check(&[("curl", "000 200"), ("denied.test", none), ("allowed.test.denied.test", none), ("None", none)]);
    assert_eq!(seen.decisions, ["allowed.test:443 denied SniMismatch x4"]);
    assert_eq!(world.https.heard(), "");
    world.denied.check_untouched();
}

async fn row_15_a_tunnel_that_is_not_tls_is_denied(attacker: Attacker) {
    let world = World::new().await;
    // It would answer.
    world.names.set("allowed.test", 443, vec![vec![world.http.address]]);
    let script = r#"
for what, first in [("HTTP", "GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n"), ("SSH", "SSH-2.0-OpenSSH_9.9\r\n"), ("zeros", "\0" * 64)]:
    it, _ = talk(tunnel_request("allowed.test:443"))
    it.sendall(first.encode())
    say(what, rest(it) or "closed")
say("curl", curl("--proxytunnel", "http://allowed.test:443/"))
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[("HTTP", "closed"), ("SSH", "closed"), ("zeros", "closed"), ("curl", "000 200")]);
    assert_eq!(seen.decisions, ["allowed.test:443 denied NotTls x4"]);
    assert_eq!(world.http.heard(), "");
}

async fn row_15_another_host_field_is_denied(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
say("plain", curl("--header", "Host: denied.test", "http://allowed.test/"))
say("tunnel", curl("--proxy-header", "Host: denied.test:443", "https://allowed.test/"))
"#;
    world.attack(attacker, script).await.told.check(&[("plain", "421 000"), ("tunnel", "000 421")]);
    assert_eq!((world.http.heard(), world.https.heard()), (String::new(), String::new()));
}

/// A host that serves others too, by their names, can lead to them.
async fn row_15_what_remains_a_host_field_inside_tls_is_not_seen(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"say("inside", curl("--header", "Host: denied.test", "https://allowed.test/"))"#;
    world.attack(attacker, script).await.told.check(&[("inside", "200 200")]);
    assert!(world.https.heard().contains("Host: denied.test"));
}
