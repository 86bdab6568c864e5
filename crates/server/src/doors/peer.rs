//! Where a request came from.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use super::Doors;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Where a client is, as far as is known.
struct Client {
    address: IpAddr,
    /// Whether it may be trusted for its address.
    certain: bool,
}

/// Whether the client is on this machine.
pub(super) fn is_local(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    let client = client(doors, extensions, headers);
    client.is_none_or(|client| client.certain && client.address.is_loopback())
}

/// Whether the client is in a network that the operator trusts.
pub(super) fn is_trusted(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> bool {
    let networks = &doors.app.config.server.trusted_networks;
    let client = client(doors, extensions, headers).filter(|client| client.certain);
    client.is_some_and(|client| networks.iter().any(|network| network.contains(&client.address)))
}

/// The address of the client: that of the connection, or what proxies say that are trusted. `None` within a process.
pub(super) fn client_address(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    client(doors, extensions, headers).map(|client| client.address)
}

/// Who comes through a proxy that nobody vouches for, or of whom a trusted proxy says nothing that is understood, may be
/// anywhere.
fn client(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> Option<Client> {
    let trusted = &doors.app.config.server.trusted_proxies;
    let peer = extensions.get::<Peer>()?.0.ip().to_canonical();
    let (mut address, mut certain) = (peer, true);
    // Each proxy adds at the end who it talked to.
    let said = headers.get_all(FORWARDED_FOR).iter().rev();
    let said = said.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(str::trim);
    for hop in said {
        if !trusted.contains(&address) {
            break;
        }
        match hop_address(hop) {
            Some(hop) => address = hop.to_canonical(),
            None => {
                certain = false;
                break;
            }
        }
    }
    let is_forwarded = [FORWARDED_FOR, "forwarded", "x-real-ip"].iter().any(|name| headers.contains_key(*name));
    let is_vouched_for = trusted.contains(&peer) && headers.contains_key(FORWARDED_FOR);
    Some(Client { address, certain: certain && (is_vouched_for || !is_forwarded) })
}

/// An address as proxies write it; some say the port, too.
fn hop_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}
