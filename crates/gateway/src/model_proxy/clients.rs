//! What APIs are asked by.

use std::sync::{Arc, LazyLock};

use reqwest::redirect;
use url::{Host, Url};

use super::proxy::Limits;

/// The clients that APIs are asked by. Each is made when it is first needed, for it reads all certificates that this machine
/// trusts. Cheap to clone.
#[derive(Clone)]
pub struct Clients(Arc<Both>);

struct Both {
    beyond: Lazy,
    /// For APIs of this machine, to which the machine's own proxy has no way.
    here: Lazy,
}

type Made = reqwest::Result<reqwest::Client>;
type Lazy = LazyLock<Made, Box<dyn FnOnce() -> Made + Send>>;

impl Clients {
    /// Clients that put up with as much.
    pub fn new(limits: Limits) -> Self {
        let beyond = LazyLock::new(Box::new(move || builder(limits).build()) as Box<_>);
        let here = LazyLock::new(Box::new(move || builder(limits).no_proxy().build()) as Box<_>);
        Self(Arc::new(Both { beyond, here }))
    }

    /// The client for an address.
    ///
    /// # Errors
    /// Where no TLS can be spoken here.
    pub(super) fn of(&self, url: &Url) -> Result<&reqwest::Client, &reqwest::Error> {
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if is_here { self.0.here.as_ref() } else { self.beyond() }
    }

    /// The one for addresses beyond this machine.
    ///
    /// # Errors
    /// Where no TLS can be spoken here.
    pub(super) fn beyond(&self) -> Result<&reqwest::Client, &reqwest::Error> {
        self.0.beyond.as_ref()
    }
}

fn builder(limits: Limits) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        // A redirect would carry the credential elsewhere.
        .redirect(redirect::Policy::none())
        .connect_timeout(limits.connect)
        .read_timeout(limits.silence)
        .tcp_nodelay(true)
}
