//! Listens on loopback and owns every connection, so that ending the rehearsal ends all of them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::routes;
use super::script::Script;
use super::stage::Stage;

/// How long accepting pauses after it failed, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A rehearsal model that is being served. Dropping it ends it, with every answer that is still being given.
#[derive(Debug)]
pub struct Rehearsal {
    address: SocketAddr,
    stop: CancellationToken,
    connections: watch::Receiver<usize>,
    server: AbortOnDropHandle<()>,
}

impl Rehearsal {
    /// Binds `port` of 127.0.0.1, or a free one where there is none or it is taken, and serves there. `script` answers the prompts that hold no steps of their own.
    ///
    /// Must be called inside a tokio runtime.
    pub async fn start(script: Option<Script>, port: Option<u16>) -> io::Result<Self> {
        let wanted = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await;
        let listener = match wanted {
            Err(_) if port.is_some() => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            wanted => wanted?,
        };
        let address = listener.local_addr()?;
        let stage = Stage::new(script.unwrap_or_default());
        let stop = CancellationToken::new();
        let (count, connections) = watch::channel(0);
        let server = tokio::spawn(serve(listener, routes::router(stage), stop.clone(), count));
        Ok(Self { address, stop, connections, server: AbortOnDropHandle::new(server) })
    }

    /// `http://127.0.0.1:PORT`, which is what `ANTHROPIC_BASE_URL` and `GOOGLE_GEMINI_BASE_URL` take. Where a program
    /// wants the base URL of an OpenAI API, it is this with `/v1` after it.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until no client is connected.
    pub async fn idle(&self) {
        // An error means that the server has ended, and its connections with it.
        let _ = self.connections.clone().wait_for(|count| *count == 0).await;
    }

    /// Ends it. Open answers are cut, so this takes no longer than closing the connections.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the rehearsal model ended badly");
        }
    }
}

async fn serve(listener: TcpListener, app: Router, stop: CancellationToken, count: watch::Sender<usize>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(converse(stream, app.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "the rehearsal model cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
        count.send_replace(connections.len());
    }
    connections.shutdown().await;
    count.send_replace(0);
}

async fn converse(stream: TcpStream, app: Router) {
    // Tokens are small writes that should arrive one by one.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(app);
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the rehearsal model ended early");
    }
}
