//! Jobs that bring their own credentials, with real git repositories and a receiver of events.

mod ephemeral;
mod git;
mod receiver;
mod ssh;
mod ssh_server;

use reqwest::StatusCode;
use serde_json::Value;

use crate::lab::Client;

/// One event of an answer.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: Value,
}

/// The whole answer to a request, an event each.
async fn execute(client: &Client, body: &Value) -> Vec<Event> {
    let answer = client.request("POST", "/execute").json(body).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.expect("text"));
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    events(&answer.text().await.expect("the stream is whole"))
}

fn events(text: &str) -> Vec<Event> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = field("data").expect("data");
        Event {
            id: field("id").map(|id| id.parse().expect("a number")),
            name: field("event").expect("a name").to_owned(),
            data: serde_json::from_str(data).expect("JSON"),
        }
    };
    blocks.map(event).collect()
}

fn named<'a>(events: &'a [Event], name: &str) -> Vec<&'a Event> {
    events.iter().filter(|event| event.name == name).collect()
}

/// The last event, which is to have this name.
fn last<'a>(events: &'a [Event], name: &str) -> &'a Value {
    let last = events.last().expect("events");
    assert_eq!(last.name, name, "{events:#?}");
    &last.data
}
