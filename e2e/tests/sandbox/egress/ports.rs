//! Other ports of an allowed host.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_13_other_ports_are_denied,
}

in_containers! {
    row_13_other_ports_are_denied,
}

async fn row_13_other_ports_are_denied(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
for port in ["22", "25", "6379", "0", "80", "65536", "-1"]:
    say(port, tunnel(f"allowed.test:{port}"))
say("plain 8080", get("allowed.test:8080"))
say("curl to 22", curl("--proxytunnel", "http://allowed.test:22/"))
say("curl to 8080", curl("http://allowed.test:8080/"))
"#;
    world.attack(attacker, script).await.told.check(&[
        ("22", "403"),
        ("25", "403"),
        ("6379", "403"),
        ("0", "403"),
        ("80", "403"),
        ("65536", "400"),
        ("-1", "400"),
        ("plain 8080", "403"),
        ("curl to 22", "000 403"),
        ("curl to 8080", "403 000"),
    ]);
    assert!(world.names.asked().is_empty());
    world.denied.check_untouched();
}
