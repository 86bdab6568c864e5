//! An API that writes down what it is asked, and answers what it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, Uri};
use tokio_util::task::AbortOnDropHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// An API on loopback.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<Response<Body>>>>,
    _server: AbortOnDropHandle<()>,
}

impl Api {
    /// Answers `200 {}` where it is not told otherwise.
    pub(crate) async fn start() -> Self {
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<Response<Body>>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (log, queue) = (Arc::clone(&asked), Arc::clone(&answers));
        let app = Router::new().fallback(move |uri, headers, body| {
            log.lock().expect("a lock").push(Request { uri, headers, body });
            let answer = queue.lock().expect("a lock").pop_front();
            async move { answer.unwrap_or_else(|| json(200, "{}")) }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { address, asked, answers, _server: AbortOnDropHandle::new(server) }
    }

    /// What the next request gets.
    pub(crate) fn answers(&self, answer: Response<Body>) {
        self.answers.lock().expect("a lock").push_back(answer);
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("a lock").clone()
    }

    /// The only request so far.
    pub(crate) fn asked_once(&self) -> Request {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().expect("a URL")
    }
}

/// An answer that is not a stream.
pub(crate) fn json(status: u16, body: &str) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Body::from(body.to_owned())).expect("an answer")
}

/// An answer with a header more.
pub(crate) fn with(mut answer: Response<Body>, name: &'static str, value: &str) -> Response<Body> {
    answer.headers_mut().insert(name, value.parse().expect("a value"));
    answer
}

/// A stream of these pieces, each when it comes.
pub(crate) fn stream(pieces: tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Response<Body> {
    let pieces = futures::stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
    let answer = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    answer.body(Body::from_stream(pieces)).expect("an answer")
}
