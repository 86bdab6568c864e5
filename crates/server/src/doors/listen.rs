//! Serving connections: bounded in number, in the time a client may take to send a request, and in how long the end
//! takes. `axum::serve` gives no access to these, and hyper's own header timeout is off without a timer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::peer::Peer;
use crate::config::ServerSettings;
use crate::lifecycle::{Phase, Stage};

/// How long to leave the listener alone after it failed (out of descriptors, for example).
const PAUSE: Duration = Duration::from_millis(100);
/// How long open connections may take to finish their answer at the very end.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// Serves `router` on `listener` until the process is about to end.
pub async fn serve(listener: TcpListener, router: Router, settings: &ServerSettings, phase: Phase) {
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let builder = connection_builder(settings);
    loop {
        // Waiting for a slot before accepting leaves further clients in the kernel's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = phase.reached(Stage::Ended) => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Events are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(Peer(peer));
            request
        }));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            // Clients that break off are not worth a line in the log.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_GRACE, graceful.shutdown()).await;
}

fn connection_builder(settings: &ServerSettings) -> Builder<TokioExecutor> {
    let patience = Duration::from_secs(settings.request_timeout_seconds);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(200).keep_alive_interval(Duration::from_secs(20));
    builder
}
