//! Where addresses of hosts come from.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// What a [`Resolver`] gives.
pub type Resolving<'a> = BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

/// Finds the addresses of a host. Asked once for each connection; exactly what it answers is judged and dialled.
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, a canonical name or an address, with the port to dial, which is `port` unless the resolver knows
    /// better.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// So many lookups run at one time. A lookup that hangs holds a thread, of which everybody needs some.
const LOOKUPS: usize = 64;

/// The machine's own resolver.
#[derive(Debug, Clone)]
pub struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            let lookup = move || {
                // Kept to the end of the lookup, which goes on when nobody waits for it any more.
                let _permit = permit;
                (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        })
    }
}
