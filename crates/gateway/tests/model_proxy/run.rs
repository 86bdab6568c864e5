//! A run at the proxy, and a client in it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use legwork_gateway::model_proxy::{
    Account, Admission, AllowedModels, Answered, Books, Credential, Guard, Held, Limits, ModelProxy, Pass, Pool, Prices,
};
use legwork_model::{ModelApi, TestClock, Timestamp};

use super::api::Api;

pub(crate) const TOKEN: &str = "token-of-the-run";
pub(crate) const KEY: &str = "sk-real-key";

/// What a run's books were told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) denial: Mutex<Option<String>>,
    pub(crate) answered: Mutex<Vec<Answered>>,
    pub(crate) held: Mutex<Vec<Held>>,
    pub(crate) unpriced: Mutex<Vec<String>>,
    pub(crate) changed: tokio::sync::Notify,
}

impl Books for Told {
    fn permit(&self) -> BoxFuture<'_, Result<(), String>> {
        let denial = self.denial.lock().expect("a lock").clone();
        Box::pin(async move { denial.map_or(Ok(()), Err) })
    }

    fn answered(&self, answered: Answered) {
        self.answered.lock().expect("a lock").push(answered);
        self.changed.notify_waiters();
    }

    fn held(&self, held: Held) {
        self.held.lock().expect("a lock").push(held);
    }

    fn not_allowed(&self, _: &str, _: &[String]) {}

    fn unpriced(&self, model: &str) {
        self.unpriced.lock().expect("a lock").push(model.to_owned());
    }
}

impl Told {
    /// Waits for so many answers.
    pub(crate) async fn answers(&self, count: usize) -> Vec<Answered> {
        let waited = async {
            loop {
                let changed = self.changed.notified();
                let answered = self.answered.lock().expect("a lock").clone();
                if answered.len() >= count {
                    return answered;
                }
                changed.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), waited).await.expect("a line in the books")
    }
}

/// A run at the proxy.
pub(crate) struct Run {
    _proxy: ModelProxy,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) told: Arc<Told>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) http: reqwest::Client,
    pub(crate) admission: Option<Admission>,
    address: SocketAddr,
    _guard: Guard,
}

/// How a run differs from others.
pub(crate) struct Setting {
    pub(crate) api: ModelApi,
    pub(crate) api_path: &'static str,
    pub(crate) base_path: &'static str,
    pub(crate) accounts: Vec<Account>,
    pub(crate) models: Vec<String>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            api: ModelApi::Anthropic,
            api_path: "",
            base_path: "",
            accounts: vec![account("only", Credential::ApiKey(KEY.into()))],
            models: Vec::new(),
        }
    }
}

pub(crate) fn account(name: &str, credential: Credential) -> Account {
    Account { name: name.into(), weight: 1, credential }
}

pub(crate) fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(Timestamp::from_millis(1_760_000_000_000)))
}

impl Run {
    pub(crate) fn at(api: &Api, setting: Setting) -> Self {
        Self::by(api, setting, clock())
    }

    pub(crate) fn by(api: &Api, setting: Setting, clock: Arc<TestClock>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = Limits { body: 1 << 20, ..Limits::default() };
        let prices = Prices::published_and(&BTreeMap::new());
        let proxy = ModelProxy::new(prices, Arc::<TestClock>::clone(&clock), limits);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let guard = proxy.serve(listener).expect("serves");
        proxy.settle();
        let (told, pool) = (Arc::new(Told::default()), Arc::new(Pool::new(setting.accounts)));
        let pass = Pass {
            api: setting.api,
            api_path: setting.api_path,
            upstream: api.url(setting.base_path),
            pool: Arc::clone(&pool),
            models: AllowedModels::new([setting.models]),
            priced_as: None,
            expires: Timestamp::from_millis(1_760_000_000_000 + 3_600_000),
            books: Arc::<Told>::clone(&told),
        };
        let admission = Some(proxy.admit(TOKEN, pass));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { _proxy: proxy, clock, told, pool, http, admission, address, _guard: guard }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request that shows the run's token as Anthropic's clients do.
    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.http.post(self.url(path)).header("x-api-key", TOKEN).body(body)
    }

    /// The status and the text of an answer to a plain question.
    pub(crate) async fn ask(&self) -> (u16, String) {
        let body = r#"{"model":"claude-sonnet-4-5","max_tokens":5}"#;
        let answer = self.post("/v1/messages", body).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}
