//! The proxy itself: what it listens to, and what its connections share.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use legwork_model::Clock;
use tokio::net::TcpStream;

use super::clients::Clients;
use super::exchange::exchange;
use super::prices::Prices;
use super::run::{Admission, Pass, Runs};
use crate::accept::Guard;

/// What the proxy puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one request's body.
    pub body: usize,
    /// How long the head of a request may take to arrive.
    pub head: Duration,
    /// How long connecting to an API may take.
    pub connect: Duration,
    /// How long an API may be silent, also in the middle of an answer.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            head: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(15 * 60),
        }
    }
}

/// Bytes of a connection that are kept for reading and writing at the most.
const BUFFER: usize = 64 * 1024;

/// The proxy between agents and their models. Cheap to clone.
#[derive(Clone)]
pub struct ModelProxy(Arc<Shared>);

/// What all connections share.
pub(super) struct Shared {
    pub(super) runs: Arc<Runs>,
    pub(super) clients: Clients,
    pub(super) prices: Arc<Prices>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
}

impl ModelProxy {
    /// A proxy that prices by this table.
    pub fn new(prices: Prices, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let (clients, prices) = (Clients::new(limits), Arc::new(prices));
        Self(Arc::new(Shared { runs: Arc::default(), clients, prices, clock, limits }))
    }

    /// Lets a run use its models for as long as the admission is kept. It shows `token`, which nobody else knows.
    pub fn admit(&self, token: &str, pass: Pass) -> Admission {
        self.0.runs.admit(token, pass)
    }

    /// All runs of an earlier process are admitted again that will be: from now on a token that is not known is that of a run that
    /// has ended. Until then whoever shows one is asked to come again.
    pub fn settle(&self) {
        self.0.runs.settle();
    }

    /// Its prices.
    pub fn prices(&self) -> &Prices {
        &self.0.prices
    }

    /// The clients that APIs are asked by.
    pub fn clients(&self) -> Clients {
        self.0.clients.clone()
    }

    /// Serves what connects to `listener` until the guard is dropped.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where the listener can't be served.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Guard> {
        let shared = Arc::clone(&self.0);
        Guard::serve(listener, move |client| converse(client, Arc::clone(&shared)))
    }
}

impl std::fmt::Debug for ModelProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelProxy").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

async fn converse(client: TcpStream, shared: Arc<Shared>) {
    let head = shared.limits.head;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(exchange(&shared, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(BUFFER);
    if let Err(error) = server.serve_connection(TokioIo::new(client), service).await {
        tracing::debug!(%error, "a connection to the model proxy ended early");
    }
}
