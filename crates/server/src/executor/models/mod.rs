//! How runs reach their models: by the model proxy, each with a token of its own.

mod access;
mod books;
mod hold;
mod other_way;
mod pools;
mod route;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use legwork_gateway::model_proxy::{Admission, Books, Guard, Limits, ModelProxy, Pass, Prices};
use legwork_model::{Clock, Timestamp};

use self::pools::Pools;
use crate::app::{DataDir, StartError, TokenKey};
use crate::config::Config;

pub(super) use access::{Access, metered};
pub(super) use other_way::{OTHER_WAY, OtherWay};
pub(super) use pools::of_list;
pub(super) use route::Route;

/// What runs reach their models by.
pub struct Models {
    proxy: ModelProxy,
    address: SocketAddr,
    pools: Pools,
    key: TokenKey,
    _serving: Guard,
}

impl Models {
    /// Starts the proxy. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where it can't listen, or a login is none.
    pub fn start(
        config: &Config,
        data_dir: &DataDir,
        key: TokenKey,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let failed = |error: &dyn std::fmt::Display| StartError::Gateway(error.to_string());
        let limits = Limits { body: config.gateway.max_body_bytes, ..Limits::default() };
        let prices = Prices::published_and(&config.prices);
        let proxy = ModelProxy::new(prices, Arc::clone(clock), limits);
        let wanted = config.gateway.port.or_else(|| data_dir.gateway_port());
        let listener = listen(wanted, config.gateway.port.is_some()).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        data_dir.keep_gateway_port(address.port());
        let pools = Pools::of(config, &data_dir.logins()?, &proxy, clock)?;
        let serving = proxy.serve(listener).map_err(|error| failed(&error))?;
        Ok(Self { proxy, address, pools, key, _serving: serving })
    }

    /// All runs of an earlier server process are known again.
    pub fn settle(&self) {
        self.proxy.settle();
    }

    /// Serves a run's own listener.
    pub(super) fn serve(&self, listener: TcpListener) -> std::io::Result<Guard> {
        self.proxy.serve(listener)
    }

    /// Where it listens on this machine.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets a run use its models by `route` until the admission is dropped.
    pub(super) fn admit(&self, route: &Route, expires: Timestamp, books: Arc<dyn Books>) -> Admission {
        let pass = Pass {
            api: route.api,
            api_path: route.api_path,
            upstream: route.upstream.clone(),
            pool: Arc::clone(&route.pool),
            models: route.models.clone(),
            priced_as: route.priced_as,
            expires,
            books,
        };
        self.proxy.admit(&route.token, pass)
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Listens on loopback, on a free port where the wanted one is taken and not insisted on.
fn listen(wanted: Option<u16>, insists: bool) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, wanted.unwrap_or(0))) {
        Err(_) if wanted.is_some() && !insists => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
        listening => listening,
    }
}
