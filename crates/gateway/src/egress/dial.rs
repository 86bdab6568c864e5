//! From a host to a connection: looked up once, every answer judged, exactly a judged address dialled.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use legwork_model::HostName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::decision::Reason;
use super::gate::Gate;

/// So many addresses of a host are tried, one after the other.
const MOST_ADDRESSES: usize = 4;

/// Connects to a host that the list allows.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn dial(host: &HostName, port: u16, gate: &Gate) -> Result<TcpStream, Reason> {
    let answers = match timeout(gate.limits.connect, look_up(host, port, gate)).await {
        Ok(Ok(answers)) if !answers.is_empty() => answers,
        _ => return Err(Reason::Unresolvable),
    };
    // One wrong answer among right ones is not an accident.
    if !answers.iter().all(|answer| gate.policy.reaches(answer.ip())) {
        return Err(Reason::PrivateAddress);
    }
    connect(&answers, gate.limits.connect).await.ok_or(Reason::Unreachable)
}

async fn look_up(host: &HostName, port: u16, gate: &Gate) -> io::Result<Vec<SocketAddr>> {
    let _permit = gate.lookups.acquire().await.map_err(io::Error::other)?;
    gate.resolver.resolve(host.as_str(), port).await
}

async fn connect(addresses: &[SocketAddr], limit: Duration) -> Option<TcpStream> {
    let tried = addresses.len().min(MOST_ADDRESSES);
    let share = limit / u32::try_from(tried).ok()?.max(1);
    for address in &addresses[..tried] {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
    }
    None
}
