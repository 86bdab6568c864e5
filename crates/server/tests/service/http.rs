//! Requests and answers, as short as tests want them.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use futures::StreamExt;
use serde_json::Value;
use tower::ServiceExt;

/// Far longer than anything here takes: what is not there by then never comes.
const DEADLINE: Duration = Duration::from_secs(30);

/// The value of `future`, which must come before the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(DEADLINE, future).await;
    value.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// A request on its way.
pub(crate) struct Call {
    router: Router,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(router: Router, method: &'static str, path: &str) -> Self {
        Self { router, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let response = self.open().await;
        let (head, body) = response.into_parts();
        let body = within(&what, axum::body::to_bytes(body, usize::MAX)).await.expect("a body");
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Sends it and reads events as they come.
    pub(crate) async fn stream(self) -> EventStream {
        let response = self.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        EventStream {
            headers: response.headers().clone(),
            body: response.into_body().into_data_stream(),
            read: String::new(),
        }
    }

    pub(crate) async fn open(self) -> Response<Body> {
        let what = format!("{} {}", self.method, self.path);
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body)).expect("a request");
        within(&what, self.router.oneshot(request)).await.expect("a router never fails")
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self
    }

    /// `status code field: detail` of an answer that is a problem in every respect.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["type"], "about:blank");
        assert_eq!(json["status"], self.status.as_u16());
        assert_eq!(json["title"].as_str(), self.status.canonical_reason());
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let code = text("code").expect("a code");
        let field = text("field").map(|field| format!(" [{field}]")).unwrap_or_default();
        format!("{} {code}{field} {}", self.status.as_u16(), text("detail").expect("a detail"))
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) event: String,
    pub(crate) data: Value,
}

/// A stream of server-sent events.
pub(crate) struct EventStream {
    pub(crate) headers: HeaderMap,
    body: BodyDataStream,
    read: String,
}

impl EventStream {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        within("an event", async {
            loop {
                let block = self.block().await?;
                if !block.starts_with(':') {
                    return Some(frame(&block));
                }
            }
        })
        .await
    }

    /// The next event of that kind.
    pub(crate) async fn until(&mut self, kind: &str) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before `{kind}`"));
            if frame.event == kind {
                return frame;
            }
        }
    }

    /// All events to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// What comes up to the next empty line; comments, too.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return Some(block);
            }
            let Some(chunk) = within("an event", self.body.next()).await else {
                assert_eq!(self.read, "", "the stream ended within an event");
                return None;
            };
            self.read.push_str(std::str::from_utf8(&chunk.expect("a chunk")).expect("UTF-8"));
        }
    }
}

fn frame(block: &str) -> Frame {
    let field = |name: &str| {
        let mut lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = lines.next().unwrap_or_else(|| panic!("no {name} in {block:?}"));
        assert_eq!(lines.next(), None, "{name} twice in {block:?}");
        value
    };
    Frame {
        id: field("id").parse().expect("a number"),
        event: field("event").to_owned(),
        data: serde_json::from_str(field("data")).expect("JSON"),
    }
}
