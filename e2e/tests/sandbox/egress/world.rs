//! A run with the real proxy as its way out, and the internet that it is to be kept from.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use legwork_gateway::egress::{Credential, Decisions, Egress, Guard, Limits, Mode, Policy, Verdict};
use legwork_runner::{Network, Uplink};

use super::internet::{Names, Site, tls};
use crate::lab::{Attacker, Lab, Told};
use crate::outside::Service;

/// What attackers of the proxy may use besides.
const TOOLS: &str = include_str!("attacker.py");

const PROXY_PORT: u16 = 3128;

/// `allowed.test` is a site by TLS and by plain HTTP. Every other name leads to a service that nobody is to reach.
pub(super) struct World {
    pub(super) names: Arc<Names>,
    pub(super) https: Site,
    pub(super) http: Site,
    pub(super) denied: Service,
    pub(super) allowed: Vec<&'static str>,
    /// What counts as public although it is on this machine.
    pub(super) exempt: Vec<ipnet::IpNet>,
    pub(super) limits: Limits,
    certificate: String,
}

/// What an attack came to.
pub(super) struct Seen {
    pub(super) told: Told,
    /// What the proxy wrote down, as `host:port verdict xcount`, sorted.
    pub(super) decisions: Vec<String>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (acceptor, certificate) = tls(&["allowed.test", "denied.test"]);
        let (https, http) = (Site::start(Some(acceptor)).await, Site::start(None).await);
        let denied = Service::start();
        denied.check_reachable_from_here();
        let names = Arc::new(Names::new((Ipv4Addr::LOCALHOST, denied.port()).into()));
        names.set("allowed.test", 443, vec![vec![https.address]]);
        names.set("allowed.test", 80, vec![vec![http.address]]);
        let (allowed, exempt) = (vec!["allowed.test"], vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()]);
        Self { names, https, http, denied, allowed, exempt, limits: Limits::default(), certificate }
    }

    /// From now on `host` is at that address of the service that nobody is to reach.
    pub(super) fn lead(&self, host: &str, address: IpAddr) {
        for port in [443, 80] {
            self.names.set(host, port, vec![vec![SocketAddr::new(address, self.denied.port())]]);
        }
    }

    /// A run with a way out of its own, which knows the way as a server would tell it.
    pub(super) fn run(&self, attacker: impl Into<Attacker>, token: &str) -> (Lab, Arc<Proxied>) {
        let allowed = self.allowed.iter().map(|text| text.parse().expect("a domain")).collect();
        let credential = Credential::new(token);
        let policy = Policy { mode: Mode::Enforce, allowed, allow_private: self.exempt.clone(), credential };
        let proxy = Egress::new(Arc::clone(&self.names) as _, self.limits.clone());
        let uplink = Arc::new(Proxied { proxy, policy: Arc::new(policy), open: Mutex::default() });
        let mut lab = Lab::new(attacker);
        lab.confinement.network = Network::Own(Arc::clone(&uplink) as _);
        let certificate = lab.dirs.work().join("certificate.pem");
        std::fs::write(&certificate, &self.certificate).expect("written");
        let address = format!("http://{}:{token}@127.0.0.1:{PROXY_PORT}", Credential::USER);
        let certificate = certificate.to_string_lossy().into_owned();
        let told = [("http_proxy", &address), ("https_proxy", &address), ("TOKEN", &token.to_owned())];
        let trust = ["CURL_CA_BUNDLE", "SSL_CERT_FILE"].map(|name| (name, &certificate));
        lab.env = told.into_iter().chain(trust).map(|(name, value)| (name.to_owned(), value.clone())).collect();
        (lab, uplink)
    }

    /// Attacks from inside a run, which then ends.
    pub(super) async fn attack(&self, attacker: impl Into<Attacker>, script: &str) -> Seen {
        let (lab, uplink) = self.run(attacker, "token");
        let told = attack_in(&lab, script).await;
        Seen { told, decisions: uplink.end().await }
    }
}

pub(super) async fn attack_in(lab: &Lab, script: &str) -> Told {
    lab.python(&format!("{TOOLS}\n{script}")).await
}

/// The proxy of one run.
pub(super) struct Proxied {
    proxy: Egress,
    policy: Arc<Policy>,
    open: Mutex<Option<(Guard, Decisions)>>,
}

impl Proxied {
    /// Closes it; what it decided.
    pub(super) async fn end(&self) -> Vec<String> {
        let open = self.open.lock().expect("not poisoned").take();
        let (guard, mut decisions) = open.expect("it was served");
        guard.close().await;
        let mut counts = BTreeMap::new();
        while let Some(decision) = decisions.next().await {
            let verdict = match decision.verdict {
                Verdict::Denied(reason) => format!("denied {reason:?}"),
                allowed => format!("{allowed:?}").to_lowercase(),
            };
            counts.insert(format!("{}:{} {verdict}", decision.host, decision.port), decision.count);
        }
        counts.into_iter().map(|(kind, count)| format!("{kind} x{count}")).collect()
    }
}

impl Uplink for Proxied {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![(Ipv4Addr::LOCALHOST, PROXY_PORT).into()]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        for listener in listeners {
            let served = self.proxy.serve(listener, Arc::clone(&self.policy)).expect("it is served");
            *self.open.lock().expect("not poisoned") = Some(served);
        }
    }
}

impl std::fmt::Debug for Proxied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxied")
    }
}
