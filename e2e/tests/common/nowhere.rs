//! A way out that leads nowhere.

use std::net::{SocketAddr, TcpListener};

use legwork_runner::Uplink;

/// Opens nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Uplink for Nowhere {
    fn addresses(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    fn serve(&self, _: Vec<TcpListener>) {}
}
