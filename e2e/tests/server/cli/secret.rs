//! `legwork secret`

use serde_json::json;

use super::terminal::Terminal;
use crate::lab::Setup;

const VALUE: &str = "correct-horse-battery";

/// A terminal with a master key, and the key.
async fn with_key() -> (Terminal, String) {
    let terminal = Terminal::new();
    let made = terminal.call(&["secret", "key"]).await;
    assert_eq!((made.code, made.stdout.len()), (Some(0), 45), "{made:?}");
    let key = made.stdout.trim().to_owned();
    (terminal.with("LEGWORK_MASTER_KEY", key.as_str()), key)
}

#[tokio::test]
async fn a_secret_is_set_while_a_server_runs_and_the_next_run_gets_it() {
    let (terminal, key) = with_key().await;
    let server = Setup::scripted(&terminal.data_dir())
        .env("LEGWORK_MASTER_KEY", key)
        .env("LEGWORK_SECRET_STORE__IN_REQUESTS", "[\"DEPLOY\"]")
        .start()
        .await;
    let job = json!({ "prompt": "run test \"$TOKEN\" = correct-horse-battery && echo it is", "env": { "TOKEN": "${DEPLOY}" } });
    assert_eq!(server.client.post_json("/v1/executions", &job).await, 422);
    let set = terminal.tell(&format!("{VALUE}\n"), &["secret", "set", "DEPLOY"]).await;
    assert_eq!((set.code, set.stdout.as_str(), set.stderr.as_str()), (Some(0), "", ""));
    let execution = server.client.run(&job).await;
    assert_eq!(execution["outcome"]["result"], "it is\n", "{execution:#}");

    let list = terminal.call(&["secret", "list"]).await;
    assert!(list.stdout.contains("DEPLOY ") && !list.stdout.contains(VALUE), "{}", list.stdout);
    let doctor = terminal.call(&["doctor"]).await;
    assert!(doctor.stdout.contains("1 stored; the master key is "), "{}", doctor.stdout);
    assert_eq!(terminal.call(&["secret", "rm", "DEPLOY"]).await.code, Some(0));
    assert_eq!(terminal.call(&["secret", "rm", "DEPLOY"]).await.code, Some(1));
    assert_eq!(server.client.post_json("/v1/executions", &job).await, 422);
}

#[tokio::test]
async fn mistakes_are_told_and_nothing_is_set() {
    let (terminal, key) = with_key().await;
    for (input, arguments, said) in [
        ("", &["secret", "set", "A"][..], "the value is empty"),
        ("a\0b", &["secret", "set", "A"], "NUL"),
        ("x", &["secret", "set", "A-B"], "letters, digits and `_`"),
        ("x", &["secret", "set", "A", "value"], "unexpected argument"),
        ("", &["secret", "rotate", "--from", key.as_str()], "must be env:NAME or file:PATH"),
    ] {
        let told = terminal.tell(input, arguments).await;
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains(said) && !told.stderr.contains(&key), "{told:?}");
    }
    let list = terminal.call(&["secret", "list"]).await;
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    for (wrong, said) in [("change-me", "the `change-me` of an example"), ("c2hvcnQ=", "must be 32 bytes")] {
        let told = Terminal::new().with("LEGWORK_MASTER_KEY", wrong).tell("x", &["secret", "set", "A"]).await;
        assert_eq!(told.code, Some(2), "{told:?}");
        assert!(told.stderr.contains(said), "{}", told.stderr);
    }
    let none = Terminal::new().tell("some-value", &["secret", "set", "A"]).await;
    assert!(none.stderr.contains("there is no master key") && !none.stderr.contains("some-value"), "{none:?}");
}

#[tokio::test]
async fn another_master_key_is_told_by_its_fingerprint_until_all_is_encrypted_anew() {
    let (terminal, old) = with_key().await;
    for name in ["A", "B"] {
        assert_eq!(terminal.tell(VALUE, &["secret", "set", name]).await.code, Some(0));
    }
    let new = terminal.call(&["secret", "key"]).await.stdout.trim().to_owned();
    let terminal = terminal.with("LEGWORK_MASTER_KEY", new.as_str()).with("OLD_KEY", old);
    let doctor = terminal.call(&["doctor"]).await;
    assert!(doctor.stdout.contains("2 of 2 were encrypted with another master key"), "{}", doctor.stdout);
    let mistaken = terminal.call(&["secret", "rotate", "--from", "env:LEGWORK_MASTER_KEY"]).await;
    assert!(mistaken.code == Some(1) && mistaken.stderr.contains("was encrypted with the master key"), "{mistaken:?}");
    for expected in ["2 encrypted with ", "0 encrypted with "] {
        let rotated = terminal.call(&["secret", "rotate", "--from", "env:OLD_KEY"]).await;
        assert!(rotated.stdout.starts_with(expected), "{rotated:?}");
    }
    let doctor = terminal.call(&["doctor"]).await;
    assert!(doctor.stdout.contains("2 stored; the master key is "), "{}", doctor.stdout);
    assert!(
        !std::fs::read(terminal.data_dir().join("legwork.db"))
            .expect("a file")
            .windows(VALUE.len())
            .any(|part| part == VALUE.as_bytes())
    );
}
