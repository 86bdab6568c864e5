//! `legwork config`

use super::terminal::{Said, Terminal};

#[tokio::test]
async fn a_mistake_is_named_with_its_place_and_what_was_meant() {
    let terminal = Terminal::new();
    check(&terminal.call(&["config", "check"]).await, 0, "The settings are fine.");
    terminal.write("legwork.toml", "[server]\nlisten = \"127.0.0.1:0\"\nmax_conections = 5\n");
    let expected = "legwork.toml: line 3, column 1: unknown field `max_conections`, did you mean `max_connections`?";
    for arguments in [&["config", "check"][..], &["config", "show"], &["serve"], &["run", "text x"]] {
        check(&terminal.call(arguments).await, 2, expected);
    }
    terminal.write("right.toml", "[server]\nmax_connections = 5\n");
    check(&terminal.call(&["config", "check", "--config", "right.toml"]).await, 0, "The settings are fine.");
    check(&terminal.call(&["config", "check", "--config", "none.toml"]).await, 2, "none.toml");

    let misnamed = Terminal::new().with("LEGWORK_SERVER__LISSTEN", "127.0.0.1:0");
    check(&misnamed.call(&["config", "check"]).await, 2, "LEGWORK_SERVER__LISSTEN: unknown field `lissten`");
}

#[tokio::test]
async fn settings_are_shown_from_everywhere_and_without_secrets() {
    let terminal = Terminal::new()
        .with("ANTHROPIC_API_KEY", "sk-geheim-1")
        .with("DATABASE_URL", "postgres://legwork:geheim-2@127.0.0.1/legwork")
        .with("LEGWORK_LIMITS__TIMEOUT_SECONDS", "77");
    terminal.write("secret", "geheim-3\n");
    terminal.write("legwork.toml", "[agents.claude-code]\noauth_token = \"file:secret\"\napi_key = \"geheim-4\"\n");
    let said = terminal.call(&["config", "show"]).await;
    check(&said, 0, "timeout_seconds = 77");
    check(&said, 0, "api_key = \"***\"");
    assert!(!said.stdout.contains("geheim"), "{}", said.stdout);
}

fn check(said: &Said, code: i32, part: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    let (heard, silent) = if code == 0 { (&said.stdout, &said.stderr) } else { (&said.stderr, &said.stdout) };
    assert!(heard.contains(part), "`{part}` is missing in {heard}");
    assert_eq!(silent, "");
}
