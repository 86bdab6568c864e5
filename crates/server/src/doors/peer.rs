//! Where a request came from.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use super::Doors;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Whether the client is on this machine.
pub(super) fn is_local(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    extensions.get::<Peer>().is_none()
        || certain_address(doors, extensions, headers).is_some_and(|client| client.is_loopback())
}

/// Whether the client is in a network that the operator trusts.
pub(super) fn is_trusted(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    let networks = &doors.app.config.server.trusted_networks;
    let client = certain_address(doors, extensions, headers);
    client.is_some_and(|client| networks.iter().any(|network| network.contains(&client)))
}

/// The address of a client that may be trusted for it. Who comes through a proxy that nobody vouches for, or of whom a
/// proxy says nothing that is understood, may be anywhere.
fn certain_address(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    let address = client_address(doors, extensions, headers)?;
    let is_told = extensions
        .get::<Peer>()
        .is_some_and(|peer| doors.app.config.server.trusted_proxies.contains(&peer.0.ip().to_canonical()))
        && told_address(headers).is_some();
    (!forwarded || is_told).then_some(address)
}

/// What the last proxy says of its client.
fn told_address(headers: &HeaderMap) -> Option<IpAddr> {
    hop_address(headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim())
}

/// An address as proxies write it; some say the port, too.
fn hop_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
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
        let Some(hop) = hop_address(hop) else { break };
        address = hop.to_canonical();
    }
    Some(address)
}
