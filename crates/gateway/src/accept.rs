//! Accepts connections and owns them, so that ending the listener ends all of them.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long accepting pauses after it failed, for want of file descriptors most likely: those of ended connections come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that is being served. Dropping it ends it, with all its connections.
#[derive(Debug)]
pub struct Guard {
    stop: CancellationToken,
    accepting: AbortOnDropHandle<()>,
}

impl Guard {
    /// Serves `listener`, each connection with what `converse` makes of it.
    pub(crate) fn serve<F>(
        listener: std::net::TcpListener,
        converse: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let accepting = tokio::spawn(accept(listener, stop.clone(), converse));
        Ok(Self { stop, accepting: AbortOnDropHandle::new(accepting) })
    }

    /// Ends it, and returns when the listener and all connections are closed.
    pub async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.accepting.await {
            tracing::warn!(%error, "a proxy ended badly");
        }
    }
}

async fn accept<F>(listener: TcpListener, stop: CancellationToken, converse: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Each end has chosen its pieces already; waiting for more of them only costs time.
                    let _ = stream.set_nodelay(true);
                    drop(connections.spawn(converse(stream)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a proxy cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}
