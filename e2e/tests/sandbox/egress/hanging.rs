//! Programs that hold on to the proxy.

use std::time::Duration;

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_30_half_open_connections_take_the_places_of_their_run_and_give_them_back,
    row_30_a_byte_now_and_then_gains_no_time,
}

in_containers! {
    row_30_half_open_connections_take_the_places_of_their_run_and_give_them_back,
    row_30_a_byte_now_and_then_gains_no_time,
}

async fn row_30_half_open_connections_take_the_places_of_their_run_and_give_them_back(attacker: Attacker) {
    let mut world = World::new().await;
    (world.limits.opening, world.limits.connections) = (Duration::from_secs(2), 64);
    let script = r#"
held = []
for _ in range(500):
    it = socket.create_connection(PROXY, timeout=20)
    try:
        it.sendall(b"CONNECT allowed.test:443 HTTP/1.1\r\n")
    except OSError:
        pass
    held.append(it)
answers = [rest(it)[9:12] for it in held]
say("turned away", answers.count("503") > 300)
say("others", sorted(set(answers) - {"503", ""}))
say("then", curl("https://allowed.test/"))
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[("turned away", "True"), ("others", "['408']"), ("then", "200 200")]);
    assert!(seen.decisions.iter().any(|it| it.contains(":0 denied Limit")), "{:?}", seen.decisions);
    assert!(seen.decisions.iter().any(|it| it.contains(":0 denied TimedOut")), "{:?}", seen.decisions);
}

async fn row_30_a_byte_now_and_then_gains_no_time(attacker: Attacker) {
    let mut world = World::new().await;
    (world.limits.opening, world.limits.idle) = (Duration::from_secs(1), Duration::from_secs(1));
    let script = r#"
def trickle(it):
    begun = time.monotonic()
    try:
        while time.monotonic() - begun < 15:
            it.sendall(b"C")
            it.settimeout(0.1)
            try:
                if not it.recv(1000):
                    break
            except TimeoutError:
                pass
    except OSError:
        pass
    return "closed" if time.monotonic() - begun < 10 else "held"
say("request", trickle(socket.create_connection(PROXY)))
it, _ = talk(tunnel_request("allowed.test:443"))
it.sendall(b"\x16\3\1\x40\0")
say("handshake", trickle(it))
it, _ = talk(tunnel_request("allowed.test:443"))
inside = ssl.create_default_context().wrap_socket(it, server_hostname="allowed.test")
begun = time.monotonic()
inside.settimeout(15)
try:
    inside.recv(1)
except OSError:
    pass
say("idle", "closed" if time.monotonic() - begun < 10 else "held")
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[("request", "closed"), ("handshake", "closed"), ("idle", "closed")]);
}
