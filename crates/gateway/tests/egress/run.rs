//! One run with its proxy, and a program in it that may say anything.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use legwork_gateway::egress::{Credential, Decisions, Egress, Guard, Limits, Mode, Policy, Verdict};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::DEADLINE;
use crate::internet::{Forbidden, Names, Site, tls};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
/// The header with the credential `run:token`.
pub(crate) const KEY: &str = "Proxy-Authorization: Basic cnVuOnRva2Vu\r\n";

/// An internet with the site `allowed.test`, on ports 443 and 80, and a server that nobody may reach.
pub(crate) struct World {
    pub(crate) names: Arc<Names>,
    pub(crate) https: Site,
    pub(crate) http: Site,
    pub(crate) forbidden: Forbidden,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) allowed: Vec<&'static str>,
}

pub(crate) struct Run {
    pub(crate) address: SocketAddr,
    pub(crate) guard: Guard,
    pub(crate) decisions: Decisions,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (acceptor, client) = tls(&["allowed.test", "denied.test", "127.0.0.1"]);
        let (https, http) = (Site::tls(acceptor, OK).await, Site::plain(OK).await);
        let names = Arc::new(Names::default());
        names.set("allowed.test", 443, &[https.address]);
        names.set("allowed.test", 80, &[http.address]);
        let (forbidden, limits) = (Forbidden::start(), Limits::default());
        for port in [443, 80] {
            names.set("denied.test", port, &[forbidden.address()]);
        }
        Self { names, https, http, forbidden, client, limits, mode: Mode::Enforce, allowed: vec!["allowed.test"] }
    }

    /// A run for which the sites' addresses are public; all others on loopback are what they are.
    pub(crate) fn run(&self) -> Run {
        let open = [self.https.address, self.http.address, self.forbidden.address()];
        self.run_with(open.iter().map(|address| address.ip().into()).collect())
    }

    /// A run for which nothing on loopback is public.
    pub(crate) fn run_without_exceptions(&self) -> Run {
        self.run_with(Vec::new())
    }

    fn run_with(&self, allow_private: Vec<ipnet::IpNet>) -> Run {
        let allowed = self.allowed.iter().map(|text| text.parse().unwrap()).collect();
        let policy = Policy { mode: self.mode, allowed, allow_private, credential: Credential::new("token") };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let egress = Egress::new(Arc::clone(&self.names) as _, self.limits.clone());
        let (guard, decisions) = egress.serve(listener, Arc::new(policy)).unwrap();
        Run { address, guard, decisions }
    }

    /// Asks for `/` by TLS that names `server_name`, through a tunnel to `host`.
    pub(crate) async fn get(&self, run: &Run, host: &str, server_name: &'static str) -> Result<String, std::io::Error> {
        let mut stream = self.handshake(run.tunnel(host).await, server_name).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n").await?;
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an end in time")?;
        Ok(answer)
    }

    /// TLS over `stream`.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        name: &'static str,
    ) -> Result<TlsStream<TcpStream>, std::io::Error> {
        let connecting =
            TlsConnector::from(Arc::clone(&self.client)).connect(ServerName::try_from(name).unwrap(), stream);
        timeout(DEADLINE, connecting).await.expect("an answer in time")
    }
}

impl Run {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request, with the credential where it says `KEY`, and gives all that comes back.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.replace("KEY\r\n", KEY).as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }

    /// The status of the answer to a `CONNECT`.
    pub(crate) async fn status_of(&self, authority: &str) -> u16 {
        let answer = self.ask(&format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nKEY\r\n\r\n")).await;
        status(&answer)
    }

    /// The status of the answer to a plain `GET`.
    pub(crate) async fn status_of_get(&self, host: &str) -> u16 {
        status(&self.ask(&format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nKEY\r\n\r\n")).await)
    }

    /// A tunnel to port 443 of a host that is let through.
    pub(crate) async fn tunnel(&self, host: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n{KEY}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 39];
        timeout(DEADLINE, stream.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 Connection established\r\n\r\n");
        stream
    }

    /// Ends the run, and gives all decisions as `host:port verdict xcount`, each once, sorted.
    pub(crate) async fn end(self) -> Vec<String> {
        self.guard.close().await;
        let mut decisions = self.decisions;
        let mut told = std::collections::BTreeMap::new();
        while let Some(decision) = decisions.next().await {
            let verdict = match decision.verdict {
                Verdict::Allowed => "allowed".to_owned(),
                Verdict::Observed(reason) => format!("observed {reason:?}"),
                Verdict::Denied(reason) => format!("denied {reason:?}"),
            };
            told.insert(format!("{}:{} {verdict}", decision.host, decision.port), decision.count);
        }
        told.into_iter().map(|(kind, count)| format!("{kind} x{count}")).collect()
    }
}

pub(crate) async fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that was reset has ended as well.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"))
}

impl World {
    /// The same as [`get`](Self::get) from the allowed site, or nothing where there is no place.
    pub(crate) async fn get_quietly(&self, run: &Run) -> Option<u16> {
        let answer = run.ask("GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nKEY\r\n\r\n").await;
        answer.starts_with("HTTP/1.1 200").then_some(200)
    }
}
