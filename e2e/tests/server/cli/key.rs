//! `legwork key`

use reqwest::StatusCode;
use serde_json::json;

use super::terminal::Terminal;
use crate::lab::{Client, Setup};

const LIST: &str = "/v1/executions";

#[tokio::test]
async fn a_key_is_printed_alone_and_opens_the_server() {
    let terminal = Terminal::new();
    let full = make(&terminal, "ci", "execute,read").await;
    let reader = make(&terminal, "dashboard", "read").await;
    let writer = make(&terminal, "hook", "execute").await;
    let server = Setup::scripted(&terminal.data_dir()).start().await;

    let [full, reader, writer] = [&full, &reader, &writer].map(|key| server.client.with_key(key));
    let wrong = server.client.with_key("lw_wrong");
    for (client, may_read, may_execute) in [
        (&server.client, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
        (&wrong, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
        (&full, StatusCode::OK, StatusCode::ACCEPTED),
        (&reader, StatusCode::OK, StatusCode::FORBIDDEN),
        (&writer, StatusCode::FORBIDDEN, StatusCode::ACCEPTED),
    ] {
        assert_eq!(client.status(LIST).await, Some(may_read));
        assert_eq!(client.post_json(LIST, &json!({ "prompt": "text hello" })).await, may_execute);
    }
}

#[tokio::test]
async fn the_commands_show_the_key_they_are_given() {
    let terminal = Terminal::new();
    let key = make(&terminal, "me", "execute,read").await;
    let server = Setup::scripted(&terminal.data_dir()).start().await;
    let refused = Terminal::at(&server).call(&["executions", "list"]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("unauthorized"), "{}", refused.stderr);

    let with_key = Terminal::at(&server).with("LEGWORK_API_KEY", key.as_str());
    let answer = with_key.call(&["run", "--quiet", "text hello"]).await;
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "hello\n"), "{}", answer.stderr);
    let with_file = Terminal::at(&server);
    with_file.write("key", &format!("{key}\n"));
    let list = with_file.call(&["executions", "list", "--api-key-file", "key"]).await;
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    assert!(list.stdout.contains("text hello"), "{}", list.stdout);
}

#[tokio::test]
async fn a_key_is_listed_without_itself_and_revoked_while_the_server_runs() {
    let terminal = Terminal::new();
    let [key, other] = [make(&terminal, "old", "read").await, make(&terminal, "new", "read").await];
    let server = Setup::scripted(&terminal.data_dir()).start().await;
    let (old, new) = (server.client.with_key(&key), server.client.with_key(&other));
    assert_eq!(old.status(LIST).await, Some(StatusCode::OK));

    let list = terminal.call(&["key", "list"]).await;
    assert!(list.stdout.contains("old") && list.stdout.contains("new"), "{list:?}");
    assert!(!list.stdout.contains(&key) && !list.stdout.contains(&other), "{list:?}");
    assert_eq!(terminal.call(&["key", "revoke", "--name", "old"]).await.code, Some(0));
    until_refused(&old).await;
    assert_eq!(new.status(LIST).await, Some(StatusCode::OK));
    let again = terminal.call(&["key", "revoke", "--name", "old"]).await;
    assert!(again.code == Some(1) && again.stderr.contains("`legwork key list`"), "{again:?}");
    let twice = terminal.call(&["key", "create", "--name", "new"]).await;
    assert!(twice.code == Some(1) && twice.stdout.is_empty() && twice.stderr.contains("another name"), "{twice:?}");
}

async fn make(terminal: &Terminal, name: &str, permissions: &str) -> String {
    let said = terminal.call(&["key", "create", "--name", name, "--permissions", permissions]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let key = said.stdout.strip_suffix('\n').expect("a line");
    assert!(key.len() > 20 && key.bytes().all(|byte| byte.is_ascii_graphic()), "more than a key: {key}");
    key.to_owned()
}

/// A key is known for up to a second after it was revoked.
async fn until_refused(client: &Client) {
    let refused = async { while client.status(LIST).await != Some(StatusCode::UNAUTHORIZED) {} };
    tokio::time::timeout(crate::lab::PATIENCE, refused).await.expect("the key is refused in time");
}
