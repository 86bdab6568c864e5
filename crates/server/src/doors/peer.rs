//! Where a request came from.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use super::Doors;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Whether the client is on this machine. Who comes through a proxy that nobody vouches for may be anywhere, also where
/// that proxy is on this machine.
pub(super) fn is_local(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    let Some(peer) = extensions.get::<Peer>() else { return true };
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    let vouched_for = doors.app.config.server.trusted_proxies.contains(&peer.0.ip().to_canonical());
    let client = client_address(doors, extensions, headers);
    client.is_some_and(|client| client.is_loopback()) && (vouched_for || !forwarded)
}

/// Whether the client is in a network that the operator trusts.
pub(super) fn is_trusted(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    let networks = &doors.app.config.server.trusted_networks;
    let client = client_address(doors, extensions, headers);
    client.is_some_and(|client| networks.iter().any(|network| network.contains(&client)))
}

/// The address of the client: that of the connection, or what proxies say that are trusted. `None` within a process.
pub(super) fn client_address(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let trusted = &doors.app.config.server.trusted_proxies;
    let mut address = extensions.get::<Peer>()?.0.ip().to_canonical();
    // Each proxy adds at the end who it talked to.
    let said = headers.get_all("x-forwarded-for").iter().rev();
    let said = said.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(str::trim);
    for hop in said {
        if !trusted.contains(&address) {
            break;
        }
        let Ok(hop) = hop.parse::<IpAddr>() else { break };
        address = hop.to_canonical();
    }
    Some(address)
}
