//! The same rules by SOCKS5.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_18_socks_connects_to_allowed_hosts_and_nothing_else,
    row_18_curl_by_socks_is_held_to_the_same_rules,
}

in_containers! {
    row_18_socks_connects_to_allowed_hosts_and_nothing_else,
    row_18_curl_by_socks_is_held_to_the_same_rules,
}

async fn row_18_socks_connects_to_allowed_hosts_and_nothing_else(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
def ask(command, kind, host, port):
    it = socket.create_connection(PROXY, timeout=20)
    it.sendall(b"\5\1\2" + b"\1\3run\5token" + bytes([5, command, 0, kind]) + host + struct.pack(">H", port))
    answer = b""
    while len(answer) < 6 and (piece := it.recv(6 - len(answer))):
        answer += piece
    it.close()
    return f"code {answer[5]}" if answer[:5] == b"\5\2\1\0\5" else answer.hex()

def name(text):
    return bytes([len(text)]) + text

for what, command, kind, host, port in [
    ("allowed", 1, 3, name(b"Allowed.test"), 443),
    ("denied", 1, 3, name(b"denied.test"), 443),
    ("NUL", 1, 3, name(b"denied.test\0.allowed.test"), 443),
    ("not text", 1, 3, name(b"\xff\xfe"), 443),
    ("empty", 1, 3, name(b""), 443),
    ("address as name", 1, 3, name(b"127.0.0.1"), 443),
    ("number", 1, 3, name(b"2130706433"), 443),
    ("port 22", 1, 3, name(b"allowed.test"), 22),
    ("port 80", 1, 3, name(b"allowed.test"), 80),
    ("IPv4", 1, 1, socket.inet_aton("127.0.0.1"), 443),
    ("IPv6", 1, 4, socket.inet_pton(socket.AF_INET6, "::1"), 443),
    ("mapped", 1, 4, socket.inet_pton(socket.AF_INET6, "::ffff:169.254.169.254"), 443),
    ("BIND", 2, 3, name(b"allowed.test"), 443),
    ("UDP", 3, 1, socket.inet_aton("0.0.0.0"), 0),
]:
    say(what, ask(command, kind, host, port))
"#;
    let denied = ["denied", "NUL", "not text", "empty", "address as name", "number", "port 22", "port 80"];
    let denied = denied.into_iter().chain(["IPv4", "IPv6", "mapped"]).map(|what| (what, "code 2"));
    let offered = [("BIND", "code 7"), ("UDP", "code 7")];
    let expected: Vec<_> = [("allowed", "code 0")].into_iter().chain(denied).chain(offered).collect();
    world.attack(attacker, script).await.told.check(&expected);
    assert_eq!(world.names.asked(), ["allowed.test"]);
    world.denied.check_untouched();
}

async fn row_18_curl_by_socks_is_held_to_the_same_rules(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
def by_socks(*arguments):
    return curl("--proxy", "socks5h://run:token@127.0.0.1:3128", *arguments)[:3]
say("allowed", by_socks("https://allowed.test/"))
say("denied", by_socks("https://denied.test/"))
say("fronted", by_socks("--connect-to", "denied.test:443:allowed.test:443", "https://denied.test/"))
say("without credential", curl("--proxy", "socks5h://127.0.0.1:3128", "https://allowed.test/")[:3])
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[("allowed", "200"), ("denied", "000"), ("fronted", "000"), ("without credential", "000")]);
    let decisions = [
        ":0 denied Credential x1",
        "allowed.test:443 allowed x1",
        "allowed.test:443 denied SniMismatch x1",
        "denied.test:443 denied NotListed x1",
    ];
    assert_eq!(seen.decisions, decisions);
    world.denied.check_untouched();
}
