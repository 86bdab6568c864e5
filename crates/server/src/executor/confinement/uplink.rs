//! The way out of a run that has a network of its own: the egress proxy, and the model's API where that is on this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use legwork_agents::{Agent, Setup};
use legwork_gateway::egress::Egress as Proxy;
use legwork_gateway::egress::{Credential, Decisions, Guard, Limits, Mode, Policy, SystemResolver, forward};
use legwork_model::{DomainPattern, Egress, FailureReason, Ids, Sandbox, Verdict};
use legwork_runner::Uplink;
use tokio::sync::oneshot;
use url::{Host, Url};

use crate::app::hex;
use crate::config::SandboxSettings;

/// Where the proxy listens inside a run.
const PROXY_PORT: u16 = 3128;

/// Makes the ways out of runs.
pub struct Uplinks {
    proxy: Proxy,
    private: Vec<ipnet::IpNet>,
}

/// The way out of one run. It is open from when its sockets are served until it is closed or dropped.
pub(in crate::executor) struct RunUplink {
    proxy: Proxy,
    policy: Arc<Policy>,
    token: String,
    /// Loopback addresses that mean the same inside.
    services: Vec<SocketAddr>,
    open: Mutex<Open>,
}

struct Open {
    guards: Vec<Guard>,
    /// Given what the proxy decides once its socket is served.
    deciding: Option<oneshot::Sender<Decisions>>,
    decided: Option<oneshot::Receiver<Decisions>>,
}

impl Uplinks {
    /// Ways out as the operator wants them.
    pub fn new(settings: &SandboxSettings) -> Self {
        let proxy = Proxy::new(Arc::new(SystemResolver::default()), Limits::default());
        Self { proxy, private: settings.private_networks.clone() }
    }

    /// The way out of a run that may reach what `egress` says, and its agent's model in any case.
    pub(super) fn uplink(
        &self,
        agent: &dyn Agent,
        sandbox: &Sandbox,
        egress: Egress,
        setup: &Setup,
        token: Option<String>,
    ) -> Result<RunUplink, Verdict> {
        let refused = |why: String| Verdict::failed(FailureReason::RefusedByPolicy, why);
        let model = setup.base_url.as_deref().and_then(|url| Url::parse(url).ok());
        let mut allowed = Vec::new();
        for domain in sandbox.allowed_domains.iter().flatten() {
            allowed.push(domain.parse().map_err(|error| refused(format!("`{domain}`: {error}")))?);
        }
        allowed.extend(model_hosts(agent, model.as_ref()));
        let token = token.unwrap_or_else(|| hex(&Ids::from_system().secret()[..16]));
        let mode = match egress {
            Egress::Enforce => Mode::Enforce,
            Egress::Observe => Mode::Observe,
            Egress::Public | Egress::Open => Mode::Public,
        };
        let policy =
            Policy { mode, allowed, allow_private: self.private.clone(), credential: Credential::new(token.clone()) };
        let services = model.as_ref().and_then(on_this_machine).into_iter().collect();
        let policy = Arc::new(policy);
        Ok(RunUplink { proxy: self.proxy.clone(), policy, token, services, open: Mutex::new(Open::default()) })
    }
}

impl Default for Open {
    fn default() -> Self {
        let (deciding, decided) = oneshot::channel();
        Self { guards: Vec::new(), deciding: Some(deciding), decided: Some(decided) }
    }
}

impl std::fmt::Debug for Uplinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Uplinks")
    }
}

impl std::fmt::Debug for RunUplink {
    /// Without its token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunUplink").field("services", &self.services).finish_non_exhaustive()
    }
}

impl RunUplink {
    /// What the run authenticates with at its proxy.
    pub(in crate::executor) fn token(&self) -> &str {
        &self.token
    }

    /// What tells the programs of a run where the proxy is. What is on the run's own loopback is reached without it.
    pub(in crate::executor) fn variables(&self) -> Vec<(String, String)> {
        let proxy = format!("http://{}:{}@{}", Credential::USER, self.token, self.proxy_address());
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let none = ["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), "localhost,127.0.0.1,::1".to_owned()));
        // Node's own fetch looks at the others only where it is told to.
        let node = ("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned());
        names.map(|name| (name.to_owned(), proxy.clone())).into_iter().chain(none).chain([node]).collect()
    }

    /// What is decided, once it is open; nothing where it is closed before, or somebody else asked for it.
    pub(super) async fn decisions(&self) -> Option<Decisions> {
        let decided = self.lock().decided.take()?;
        decided.await.ok()
    }

    /// Closes it; what was decided last can still be heard.
    pub(super) async fn close(&self) {
        let guards = {
            let mut open = self.lock();
            open.deciding = None;
            std::mem::take(&mut open.guards)
        };
        for guard in guards {
            guard.close().await;
        }
    }

    fn proxy_address(&self) -> SocketAddr {
        let is_taken = |port: u16| self.services.iter().any(|service| service.port() == port);
        let port = (PROXY_PORT..).find(|port| !is_taken(*port)).unwrap_or(PROXY_PORT);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Nothing panics while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uplink for RunUplink {
    fn addresses(&self) -> Vec<SocketAddr> {
        std::iter::once(self.proxy_address()).chain(self.services.iter().copied()).collect()
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        let mut listeners = listeners.into_iter();
        let mut guards = Vec::new();
        if let Some(listener) = listeners.next() {
            match self.proxy.serve(listener, Arc::clone(&self.policy)) {
                Ok((guard, decided)) => {
                    guards.push(guard);
                    if let Some(deciding) = self.lock().deciding.take() {
                        // Nobody may want to know.
                        let _ = deciding.send(decided);
                    }
                }
                Err(error) => tracing::error!(%error, "a run has no way out: its proxy can't be served"),
            }
        }
        for (listener, service) in listeners.zip(&self.services) {
            match forward(listener, *service) {
                Ok(guard) => guards.push(guard),
                Err(error) => tracing::error!(%error, %service, "a run can't reach a service of this machine"),
            }
        }
        self.lock().guards = guards;
    }
}

/// The hosts of the model's API: they are reached whatever a run may reach, for without them it can't work.
fn model_hosts(agent: &dyn Agent, base_url: Option<&Url>) -> Vec<DomainPattern> {
    match base_url.and_then(Url::host_str) {
        Some(host) => host.parse().into_iter().collect(),
        None => agent.model_hosts().iter().filter_map(|host| host.parse().ok()).collect(),
    }
}

/// The address of a service that listens on this machine alone.
fn on_this_machine(url: &Url) -> Option<SocketAddr> {
    let port = url.port_or_known_default()?;
    match url.host()? {
        Host::Ipv4(address) if address.is_loopback() => Some(SocketAddr::new(address.into(), port)),
        Host::Domain("localhost") => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_) => None,
    }
}
