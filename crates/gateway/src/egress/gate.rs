//! What all connections of one run share, and the one way from a request to a connection outside.

use std::sync::Arc;
use std::time::Duration;

use legwork_model::HostName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::decision::{Reason, Verdict};
use super::dial::dial;
use super::ledger::Ledger;
use super::limits::Limits;
use super::policy::Policy;
use super::resolver::Resolver;
use super::{http, socks};

/// What all connections of one run share.
pub(super) struct Gate {
    pub(super) policy: Arc<Policy>,
    pub(super) limits: Limits,
    pub(super) ledger: Ledger,
    pub(super) resolver: Arc<dyn Resolver>,
    /// One for each lookup at one time, so that a run whose names hang does not hold up those of others.
    pub(super) lookups: Semaphore,
    /// One for each connection at one time.
    places: Semaphore,
}

/// So many lookups of one run go on at one time.
const LOOKUPS: usize = 16;

/// A connection to a host that may be reached.
pub(super) struct Admitted {
    pub(super) host: HostName,
    pub(super) port: u16,
    pub(super) server: TcpStream,
    /// Allowed or observed.
    pub(super) verdict: Verdict,
}

impl Gate {
    pub(super) fn new(policy: Arc<Policy>, resolver: Arc<dyn Resolver>, limits: Limits, ledger: Ledger) -> Self {
        let places = Semaphore::new(limits.connections);
        Self { policy, limits, ledger, resolver, lookups: Semaphore::new(LOOKUPS), places }
    }

    /// Serves one client, in the protocol that it speaks.
    pub(super) async fn converse(self: Arc<Self>, client: TcpStream) {
        let Ok(_place) = self.places.try_acquire() else {
            self.ledger.deny("", 0, Reason::Limit);
            return turn_away(client).await;
        };
        let deadline = Instant::now() + self.limits.opening;
        let mut first = [0];
        match timeout_at(deadline, client.peek(&mut first)).await {
            Ok(Ok(1)) if first == [socks::VERSION] => socks::serve(client, &self, deadline).await,
            Ok(Ok(1)) => http::serve(client, &self, deadline).await,
            // It left without a word.
            Ok(_) => {}
            Err(_) => self.ledger.deny("", 0, Reason::TimedOut),
        }
    }

    /// Judges a request and connects to its host. A denial is written down here; what is let through is not yet, because the
    /// first bytes may still speak against it.
    ///
    /// # Errors
    /// Why the request is denied.
    pub(super) async fn admit(&self, host: HostName, port: u16, offered: u16) -> Result<Admitted, Reason> {
        let admitted = self.judge(&host, port, offered).await;
        if let Err(reason) = admitted {
            self.ledger.deny(host.as_str(), port, reason);
        }
        admitted.map(|(server, verdict)| Admitted { host, port, server, verdict })
    }

    async fn judge(&self, host: &HostName, port: u16, offered: u16) -> Result<(TcpStream, Verdict), Reason> {
        if port != offered {
            return Err(Reason::Port);
        }
        let verdict = self.policy.judge(host);
        if let Verdict::Denied(reason) = verdict {
            return Err(reason);
        }
        let server = dial(host, port, self).await?;
        Ok((server, verdict))
    }
}

/// How long a client that is turned away may hold things up.
const GOODBYE: Duration = Duration::from_millis(100);

/// Tells a client in HTTP, which most speak, that there is no place for it.
async fn turn_away(mut client: TcpStream) {
    let answer = http::Refusal::of(Reason::Limit, "the host", 0).to_bytes();
    // A client that doesn't take it just finds the connection closed.
    let _ = tokio::time::timeout(GOODBYE, client.write_all(&answer)).await;
}
