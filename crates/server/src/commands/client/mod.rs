//! A client of the native API, for the commands that talk to a server: one elsewhere, or the one that `legwork run`
//! starts in its own process.

mod error;
mod events;
mod server;
mod sse;

use std::time::Duration;

use legwork_model::ExecutionId;
use reqwest::{Method, RequestBuilder, Response, header, redirect};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::config::Secret;
use crate::doors::native::ExecutionView;
use crate::doors::native::budgets::BudgetView;
use crate::doors::native::budgets::list::Budgets;
use crate::doors::native::usage::UsageReport;

pub use error::ClientError;
pub use events::{Events, Next, StreamedEvent};
pub use server::ServerArgs;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer that is no stream may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Talks to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<Secret>,
}

/// An execution as the server wrote it and as it is understood here.
#[derive(Debug)]
pub struct Answer {
    /// One line of JSON.
    pub json: String,
    /// The same, decoded.
    pub execution: ExecutionView,
}

/// What the server wrote, and the same as it is understood here.
#[derive(Debug)]
pub struct Written<T> {
    /// One line of JSON.
    pub json: String,
    /// The same, decoded.
    pub value: T,
}

/// A page of a list, each entry as the server wrote it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    executions: Vec<Box<RawValue>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// A page of a log, each event as the server wrote it.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogPage {
    events: Vec<Box<RawValue>>,
    next_after: u64,
}

impl Client {
    /// A client of the server at `base`.
    ///
    /// # Errors
    /// Where this machine has no certificates to check a server's with.
    pub fn new(base: Url, key: Option<Secret>) -> Result<Self, ClientError> {
        // A server that answers elsewhere would be handed the key.
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT).redirect(redirect::Policy::none());
        if base.scheme() == "http" {
            // Nothing is checked then, so that a machine without any certificates will do.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ClientError::unreachable(&base, &error))?;
        Ok(Self { http, base: directory(base), key })
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Submits a job. The same `idempotency_key` never makes two.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn create(&self, body: &Value, idempotency_key: &str) -> Result<Answer, ClientError> {
        let request = self.request(Method::POST, "v1/executions")?.header("idempotency-key", idempotency_key);
        self.execution_in(request.json(body)).await
    }

    /// One execution.
    ///
    /// # Errors
    /// Where the server can't be reached or does not know it.
    pub async fn execution(&self, id: ExecutionId) -> Result<Answer, ClientError> {
        self.execution_in(self.request(Method::GET, &format!("v1/executions/{id}"))?).await
    }

    /// Asks for the end of an execution.
    ///
    /// # Errors
    /// Where the server can't be reached, or the execution has ended already.
    pub async fn cancel(&self, id: ExecutionId) -> Result<Answer, ClientError> {
        self.execution_in(self.request(Method::POST, &format!("v1/executions/{id}/cancel"))?).await
    }

    /// Gives an agent a further message; tells which execution got it.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn message(&self, id: ExecutionId, message: &str) -> Result<Answer, ClientError> {
        let request = self.request(Method::POST, &format!("v1/executions/{id}/messages"))?;
        self.execution_in(request.json(&serde_json::json!({ "message": message }))).await
    }

    /// Ends the turn that an agent is in.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn interrupt(&self, id: ExecutionId) -> Result<Answer, ClientError> {
        self.execution_in(self.request(Method::POST, &format!("v1/executions/{id}/interrupt"))?).await
    }

    /// Up to `most` executions, newest first, that fit `filter`, which holds parameters of the API.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn executions(&self, filter: &[(&str, String)], most: usize) -> Result<Vec<Answer>, ClientError> {
        let mut found = Vec::new();
        let mut cursor = None;
        while found.len() < most {
            let limit = (most - found.len()).min(200).to_string();
            let mut query: Vec<(&str, String)> = filter.to_vec();
            query.extend([("limit", limit)]);
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page: Page = self.decoded(self.request(Method::GET, &with_query("v1/executions", &query))?).await?;
            for execution in page.executions {
                found.push(self.answer(execution.get().to_owned())?);
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// All budgets.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn budgets(&self) -> Result<Written<Budgets>, ClientError> {
        self.written(self.request(Method::GET, "v1/budgets")?).await
    }

    /// Makes or replaces a budget.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn put_budget(&self, body: &Value) -> Result<BudgetView, ClientError> {
        self.decoded(self.request(Method::PUT, "v1/budgets")?.json(body)).await
    }

    /// Removes a budget.
    ///
    /// # Errors
    /// Where the server can't be reached or does not know it.
    pub async fn remove_budget(&self, id: &str) -> Result<(), ClientError> {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.text(self.request(Method::DELETE, &format!("v1/budgets/{id}"))?).await.map(drop)
    }

    /// What was spent; `query` holds parameters of the API.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn usage(&self, query: &[(&str, String)]) -> Result<Written<UsageReport>, ClientError> {
        self.written(self.request(Method::GET, &with_query("v1/usage", query))?).await
    }

    /// All events that are on record now.
    ///
    /// # Errors
    /// Where the server can't be reached or does not know the execution.
    pub async fn recorded_events(&self, id: ExecutionId) -> Result<Vec<StreamedEvent>, ClientError> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let query = [("after", after.to_string()), ("limit", "1000".to_owned())];
            let path = with_query(&format!("v1/executions/{id}/events"), &query);
            let page: LogPage = self.decoded(self.request(Method::GET, &path)?).await?;
            if page.events.is_empty() {
                return Ok(events);
            }
            events.extend(page.events.into_iter().map(|event| StreamedEvent::new(event.get().to_owned())));
            after = page.next_after;
        }
    }

    /// The events of an execution as they happen, from the first to the last.
    pub fn events(&self, id: ExecutionId) -> Events {
        Events::new(self.clone(), id)
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ClientError> {
        let url = self.base.join(path).map_err(|error| ClientError::unreachable(&self.base, &error))?;
        let request = self.http.request(method, url);
        Ok(match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        })
    }

    async fn stream(&self, id: ExecutionId, after: u64) -> Result<Response, ClientError> {
        let request = self.request(Method::GET, &format!("v1/executions/{id}/events"))?;
        let request = request.header(header::ACCEPT, "text/event-stream").header("last-event-id", after);
        self.accepted(tokio::time::timeout(ANSWER, request.send()).await).await
    }

    async fn execution_in(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        self.answer(self.text(request).await?)
    }

    fn answer(&self, json: String) -> Result<Answer, ClientError> {
        let execution = serde_json::from_str(&json).map_err(|error| ClientError::strange(&self.base, &error))?;
        Ok(Answer { json, execution })
    }

    async fn decoded<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let text = self.text(request).await?;
        serde_json::from_str(&text).map_err(|error| ClientError::strange(&self.base, &error))
    }

    async fn written<T: serde::de::DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Written<T>, ClientError> {
        let json = self.text(request).await?;
        let value = serde_json::from_str(&json).map_err(|error| ClientError::strange(&self.base, &error))?;
        Ok(Written { json, value })
    }

    async fn text(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let response = self.accepted(tokio::time::timeout(ANSWER, request.timeout(ANSWER).send()).await).await?;
        response.text().await.map_err(|error| ClientError::unreachable(&self.base, &error))
    }

    /// The answer, unless it says no.
    async fn accepted(
        &self,
        sent: Result<Result<Response, reqwest::Error>, tokio::time::error::Elapsed>,
    ) -> Result<Response, ClientError> {
        let response = match sent {
            Ok(sent) => sent.map_err(|error| ClientError::unreachable(&self.base, &error))?,
            Err(_) => return Err(ClientError::silent(&self.base, ANSWER)),
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        Err(ClientError::refused(&self.base, status, &body))
    }
}

/// Paths are joined to it, so it has to end in a slash.
fn directory(mut base: Url) -> Url {
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base
}

fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
