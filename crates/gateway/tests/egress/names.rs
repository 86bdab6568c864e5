//! Names that look like an allowed one.

use crate::run::World;

/// Row 14.
#[tokio::test]
async fn only_a_true_match_passes() {
    let mut world = World::new().await;
    world.allowed = vec!["allowed.test", "*.wide.test"];
    world.names.set("a.wide.test", 443, &[world.https.address]);
    let run = world.run();
    for host in ["allowed.test", "ALLOWED.test", "allowed.test.", "a.wide.test"] {
        drop(run.tunnel(host).await);
    }
    for (authority, status) in [
        ("allowed.test.evil.test:443", 403),
        ("evilallowed.test:443", 403),
        ("a.allowed.test:443", 403),
        ("wide.test:443", 403),
        ("evilwide.test:443", 403),
        ("a.wide.test.evil.test:443", 403),
        ("xn--llowed-2nf.test:443", 403),
        ("allowed.test..:443", 400),
        ("allowed.test%00.evil.test:443", 400),
        ("user@allowed.test:443", 400),
        ("allowed.test:443@evil.test", 400),
        ("allowed.test:443@evil.test:443", 400),
        ("*.wide.test:443", 400),
    ] {
        assert_eq!(run.status_of(authority).await, status, "{authority}");
    }
    for host in
        ["allowed.test\0.evil.test", "evil.test\rallowed.test", "evil.test\nallowed.test", "evil.test\tallowed.test"]
    {
        assert_eq!(run.status_of(&format!("{host}:443")).await, 400, "{host:?}");
        assert_eq!(run.status_of_get(host).await, 400, "{host:?}");
    }
    run.end().await;
    let asked = world.names.asked();
    assert_eq!(asked, ["allowed.test", "allowed.test", "allowed.test", "a.wide.test"]);
}

/// Row 11.
#[tokio::test]
async fn dns_over_https_is_a_host_like_any_other() {
    let world = World::new().await;
    let run = world.run();
    for authority in ["dns.google:443", "1.1.1.1:443", "cloudflare-dns.com:443", "[2606:4700:4700::1111]:443"] {
        assert_eq!(run.status_of(authority).await, 403, "{authority}");
    }
    assert!(world.names.asked().is_empty());
}

/// Row 13.
#[tokio::test]
async fn other_ports_are_denied() {
    let world = World::new().await;
    let run = world.run();
    for (port, status) in
        [("22", 403), ("25", 403), ("6379", 403), ("0", 403), ("80", 403), ("65536", 400), ("-1", 400)]
    {
        assert_eq!(run.status_of(&format!("allowed.test:{port}")).await, status, "{port}");
    }
    assert_eq!(run.status_of_get("allowed.test:8080").await, 403);
    assert!(world.names.asked().is_empty());
}
