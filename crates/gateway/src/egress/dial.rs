//! From a host to a connection: looked up once, every answer judged, exactly a judged address dialled.

use std::net::SocketAddr;
use std::time::Duration;

use legwork_model::HostName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::decision::Reason;
use super::limits::Limits;
use super::policy::Policy;
use super::resolver::Resolver;

/// So many addresses of a host are tried, one after the other.
const MOST_ADDRESSES: usize = 4;

/// Connects to a host that the list allows.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn dial(
    host: &HostName,
    port: u16,
    (policy, resolver, limits): (&Policy, &dyn Resolver, &Limits),
) -> Result<TcpStream, Reason> {
    let answers = match timeout(limits.connect, resolver.resolve(host.as_str(), port)).await {
        Ok(Ok(answers)) if !answers.is_empty() => answers,
        _ => return Err(Reason::Unresolvable),
    };
    // One wrong answer among right ones is not an accident.
    if !answers.iter().all(|answer| policy.reaches(answer.ip())) {
        return Err(Reason::PrivateAddress);
    }
    connect(&answers, limits.connect).await.ok_or(Reason::Unreachable)
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
