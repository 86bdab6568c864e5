//! How a run with a network of its own reaches the API of its agent's model, which it does whatever else it may reach.
//!
//! The vendor's is a host like any other, by the proxy. What speaks plain HTTP, on this machine or in a network of one's own,
//! listens on the run's loopback interface: the proxy lets through neither its port nor its address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use legwork_agents::Agent;
use legwork_model::DomainPattern;
use url::{Host, Url};

/// Where a service of another machine listens inside.
const PORT: u16 = 3180;

/// The ways to one model's API.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ModelApi {
    /// Reached by the proxy.
    pub(super) hosts: Vec<DomainPattern>,
    /// Private addresses that these hosts have.
    pub(super) private: Vec<IpNet>,
    /// What listens inside, and where that leads to.
    pub(super) service: Option<(SocketAddr, SocketAddr)>,
    /// What the agent is told instead of its address.
    pub(super) base_url: Option<String>,
}

impl ModelApi {
    /// That of the agent's vendor.
    pub(super) fn vendors(agent: &dyn Agent) -> Self {
        let hosts = agent.model_hosts().iter().filter_map(|host| host.parse().ok()).collect();
        Self { hosts, ..Self::default() }
    }

    /// One that the operator named.
    pub(super) async fn at(base_url: &str) -> Result<Self, String> {
        let unusable = |why: &str| format!("The model's API at {base_url} can't be reached from a sandbox: {why}.");
        let url = Url::parse(base_url).map_err(|error| unusable(&error.to_string()))?;
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(unusable("it names no host"));
        };
        if let Some(here) = on_this_machine(&host, port) {
            return Ok(Self { service: Some((here, here)), ..Self::default() });
        }
        let host = host.to_string();
        let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| unusable(&error.to_string()))?.collect();
        let (secure, first) = (url.scheme() == "https", found.first().copied());
        match (secure, first) {
            (_, None) => Err(unusable("its host has no address")),
            (false, Some(there)) => Ok(Self::forwarded(url, there)),
            (true, Some(_)) if port != 443 => Err(unusable(
                "by TLS it has to listen on port 443, or be given as http:// or to a run whose egress is open",
            )),
            (true, Some(_)) => {
                let hosts = vec![host.parse().map_err(|error| unusable(&format!("{error}")))?];
                Ok(Self {
                    hosts,
                    private: found.into_iter().map(|found| found.ip().into()).collect(),
                    ..Self::default()
                })
            }
        }
    }

    fn forwarded(mut url: Url, there: SocketAddr) -> Self {
        let inside = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
        // An address with a port fits every URL that has a host.
        let _ = url.set_ip_host(inside.ip()).and_then(|()| url.set_port(Some(PORT)));
        let base_url = url.as_str().trim_end_matches('/').to_owned();
        Self { service: Some((inside, there)), base_url: Some(base_url), ..Self::default() }
    }
}

/// The address of a service that listens on this machine alone; it is the same inside.
fn on_this_machine(host: &Host<&str>, port: u16) -> Option<SocketAddr> {
    match host {
        Host::Ipv4(address) if address.is_loopback() => Some(SocketAddr::new((*address).into(), port)),
        Host::Domain("localhost") => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_kind_of_address_has_its_way() {
        let here = ModelApi::at("http://127.0.0.1:4000/v1").await.expect("reached");
        let address: SocketAddr = "127.0.0.1:4000".parse().expect("an address");
        assert_eq!((here.service, here.base_url), (Some((address, address)), None));

        let router = ModelApi::at("http://10.1.2.3:4000/v1").await.expect("reached");
        let (inside, there) = router.service.expect("forwarded");
        assert_eq!((inside.to_string(), there.to_string()), ("127.0.0.1:3180".into(), "10.1.2.3:4000".into()));
        assert_eq!(router.base_url.as_deref(), Some("http://127.0.0.1:3180/v1"));

        let private = ModelApi::at("https://10.1.2.3/v1").await.expect("reached");
        assert_eq!(private.private, ["10.1.2.3/32".parse().expect("a network")]);
        assert_eq!((private.hosts.len(), private.base_url), (1, None));

        let refused = ModelApi::at("https://10.1.2.3:8443").await.expect_err("refused");
        assert!(refused.contains("port 443"), "{refused}");
    }
}
