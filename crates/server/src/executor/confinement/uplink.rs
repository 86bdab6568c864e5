//! The way out of a run that has a network of its own: the egress proxy, and the model's API where that is on this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use legwork_agents::{Agent, Setup};
use legwork_gateway::egress::Egress as Proxy;
use legwork_gateway::egress::{Credential, Decisions, Guard, Limits, Mode, Policy, SystemResolver, forward};
use legwork_model::{Egress, FailureReason, Ids, Sandbox, Verdict};
use legwork_runner::Uplink;
use tokio::sync::oneshot;

use super::model_api::ModelApi;
use crate::app::hex;
use crate::config::SandboxSettings;
use crate::executor::Models;

/// Where the proxy listens inside a run.
const PROXY_PORT: u16 = 3128;

/// Makes the ways out of runs.
pub struct Uplinks {
    proxy: Proxy,
    models: Option<Arc<Models>>,
    private: Vec<ipnet::IpNet>,
}

/// The way out of one run. It is open from when its sockets are served until it is closed or dropped.
pub(in crate::executor) struct RunUplink {
    proxy: Proxy,
    models: Option<Arc<Models>>,
    policy: Arc<Policy>,
    token: String,
    /// What listens inside for the model's API, and where that is.
    service: Option<(SocketAddr, SocketAddr)>,
    /// The address of the model's API inside, where that is another one.
    base_url: Option<String>,
    open: Mutex<Open>,
}

struct Open {
    guards: Vec<Guard>,
    /// Given what the proxy decides once its socket is served.
    deciding: Option<oneshot::Sender<Decisions>>,
    decided: Option<oneshot::Receiver<Decisions>>,
}

impl Uplinks {
    /// Ways out as the operator wants them, which lead to the models by `models`.
    pub fn new(settings: &SandboxSettings, models: Option<Arc<Models>>) -> Self {
        let proxy = Proxy::new(Arc::new(SystemResolver::default()), Limits::default());
        Self { proxy, models, private: settings.private_networks.clone() }
    }

    /// The way out of a run that may reach what `egress` says, and its agent's model in any case.
    pub(super) async fn uplink(
        &self,
        agent: &dyn Agent,
        sandbox: &Sandbox,
        egress: Egress,
        setup: &Setup,
        token: Option<String>,
    ) -> Result<RunUplink, Verdict> {
        let refused = |why: String| Verdict::failed(FailureReason::RefusedByPolicy, why);
        let model = match &setup.base_url {
            Some(url) => ModelApi::at(url).await.map_err(refused)?,
            None => ModelApi::vendors(agent),
        };
        let mut allowed = Vec::new();
        for domain in sandbox.allowed_domains.iter().flatten() {
            allowed.push(domain.parse().map_err(|error| refused(format!("`{domain}`: {error}")))?);
        }
        allowed.extend(model.hosts);
        let token = token.unwrap_or_else(|| hex(&Ids::from_system().secret()[..16]));
        let mode = match egress {
            Egress::Enforce => Mode::Enforce,
            Egress::Observe => Mode::Observe,
            Egress::Public | Egress::Open => Mode::Public,
        };
        let allow_private = self.private.iter().copied().chain(model.private).collect();
        let policy = Policy { mode, allowed, allow_private, credential: Credential::new(token.clone()) };
        let policy = Arc::new(policy);
        let open = Mutex::new(Open::default());
        Ok(RunUplink {
            proxy: self.proxy.clone(),
            models: self.models.clone(),
            policy,
            token,
            service: model.service,
            base_url: model.base_url,
            open,
        })
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
        f.debug_struct("RunUplink").field("service", &self.service).finish_non_exhaustive()
    }
}

impl RunUplink {
    /// What the run authenticates with at its proxy.
    pub(in crate::executor) fn token(&self) -> &str {
        &self.token
    }

    /// The address of the model's API inside, where that is another one than outside.
    pub(in crate::executor) fn base_url(&self) -> Option<String> {
        self.base_url.clone()
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
        let is_taken = self.service.is_some_and(|(inside, _)| inside.port() == PROXY_PORT);
        loopback(PROXY_PORT + u16::from(is_taken))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Nothing panics while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uplink for RunUplink {
    fn addresses(&self) -> Vec<SocketAddr> {
        std::iter::once(self.proxy_address()).chain(self.service.map(|(inside, _)| inside)).collect()
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
        for (listener, (_, service)) in listeners.zip(self.service) {
            let served = match &self.models {
                // What stands between needs no connection in between.
                Some(models) if models.address() == service => models.serve(listener),
                _ => forward(listener, service),
            };
            match served {
                Ok(guard) => guards.push(guard),
                Err(error) => tracing::error!(%error, %service, "a run can't reach a service of this machine"),
            }
        }
        self.lock().guards = guards;
    }

    fn stop(&self) {
        self.lock().guards.clear();
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
