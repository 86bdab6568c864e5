//! A vendor of models: the rehearsal model, with limits and keys that a test sets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use legwork_gateway::rehearsal::Rehearsal;

/// What a key is answered instead of what it asks for.
#[derive(Clone)]
struct Refusal {
    status: u16,
    headers: Vec<(&'static str, String)>,
}

#[derive(Default)]
struct State {
    /// What is in requests for a model that is overloaded.
    overloaded: Option<String>,
    refusals: HashMap<String, Refusal>,
    asked: Vec<HeaderMap>,
}

/// A vendor on loopback.
pub(crate) struct Vendor {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _models: Rehearsal,
    server: tokio::task::JoinHandle<()>,
}

impl Vendor {
    pub(crate) async fn start() -> Self {
        let models = Rehearsal::start(None, None).await.expect("the rehearsal model");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state: Arc<Mutex<State>> = Arc::default();
        let (shared, base, http) = (Arc::clone(&state), models.base_url(), client());
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let refusal = refusal(&shared, &headers, &body);
            let (url, http) = (format!("{base}{uri}"), http.clone());
            async move {
                match refusal {
                    Some(refusal) => refused(&refusal),
                    None => pass_on(&http, method, url, headers, body).await,
                }
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { address, state, _models: models, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `key` is refused so.
    pub(crate) fn refuse(&self, key: &str, status: u16, headers: &[(&'static str, String)]) {
        let refusal = Refusal { status, headers: headers.to_vec() };
        self.state.lock().expect("a lock").refusals.insert(key.to_owned(), refusal);
    }

    /// From now on a model is overloaded, whoever asks for it.
    pub(crate) fn overload(&self, model: &str) {
        self.state.lock().expect("a lock").overloaded = Some(format!("\"model\":\"{model}\""));
    }

    /// From now on it is served again.
    pub(crate) fn serve(&self, key: &str) {
        self.state.lock().expect("a lock").refusals.remove(key);
    }

    /// The headers of all requests so far.
    pub(crate) fn asked(&self) -> Vec<HeaderMap> {
        self.state.lock().expect("a lock").asked.clone()
    }

    /// How often `key` was shown.
    pub(crate) fn shown(&self, key: &str) -> usize {
        self.asked().iter().filter(|headers| key_of(headers) == key).count()
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

fn key_of(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let key = text("x-api-key");
    if key.is_empty() { text("authorization").trim_start_matches("Bearer ").to_owned() } else { key }
}

fn refusal(state: &Mutex<State>, headers: &HeaderMap, body: &[u8]) -> Option<Refusal> {
    let mut state = state.lock().expect("a lock");
    state.asked.push(headers.clone());
    if state.overloaded.as_ref().is_some_and(|model| String::from_utf8_lossy(body).contains(model)) {
        return Some(Refusal { status: 529, headers: Vec::new() });
    }
    state.refusals.get(&key_of(headers)).cloned()
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let kind = if refusal.status == 401 { "authentication_error" } else { "rate_limit_error" };
    let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"the vendor refuses"}}}}"#);
    let mut answer = Response::builder().status(refusal.status).header("content-type", "application/json");
    for (name, value) in &refusal.headers {
        answer = answer.header(*name, value);
    }
    answer.body(Body::from(body)).expect("an answer")
}

async fn pass_on(
    http: &reqwest::Client,
    method: Method,
    url: String,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    headers.remove("host");
    headers.remove("content-length");
    let answer = http.request(method, url).headers(headers).body(body).send().await.expect("the model answers");
    let mut passed = Response::builder().status(answer.status());
    for name in ["content-type", "retry-after"] {
        if let Some(value) = answer.headers().get(name) {
            passed = passed.header(name, value);
        }
    }
    passed.body(Body::from_stream(answer.bytes_stream())).expect("an answer")
}
