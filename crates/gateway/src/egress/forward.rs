//! Brings one service of this machine into a sandbox, such as the endpoint of a model.

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;

use super::relay::CHUNK;
use crate::accept::Guard;

/// Connects whoever connects to `listener` with `target`, byte for byte, until the guard is dropped.
///
/// Nothing is judged: what `target` offers is offered to the run. A connection may be silent for as long as it likes, as
/// answers of models are. Must be called inside a tokio runtime.
///
/// # Errors
/// Where the listener can't be served.
pub fn forward(listener: TcpListener, target: SocketAddr) -> io::Result<Guard> {
    Guard::serve(listener, move |client| relay(client, target))
}

async fn relay(mut client: TcpStream, target: SocketAddr) {
    let relayed = async {
        let mut server = TcpStream::connect(target).await?;
        server.set_nodelay(true)?;
        copy_bidirectional_with_sizes(&mut client, &mut server, CHUNK, CHUNK).await
    };
    if let Err(error) = relayed.await {
        tracing::debug!(%error, %target, "a forwarded connection ended early");
    }
}
