//! Measures what the model proxy costs, against the rehearsal model on loopback: the time to the first byte of an answer, the
//! rate of many streams at once, and the memory of streams that wait. Model, proxy and clients are three processes; what is
//! compared is measured by turns. Beside them stands a relay that only copies bytes: no proxy on the same processors can be
//! faster than that.
//!
//! `cargo run --release -p legwork-gateway --example model_proxy -- [STREAMS] [IDLE STREAMS]`

#![expect(clippy::disallowed_methods, reason = "it starts itself, and ends with it")]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::{BoxFuture, try_join_all};
use legwork_gateway::model_proxy::{
    Account, AllowedModels, Answered, Books, Credential, Held, Limits, ModelProxy, Pass, Pool, Prices,
};
use legwork_gateway::rehearsal::Rehearsal;
use legwork_model::{Clock, ModelApi, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

type Failure = Box<dyn Error + Send + Sync>;

const TOKEN: &str = "token";
const ROUNDS: usize = 15;

/// Bytes that the relay copies at once.
const RELAYED: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("model") => serve_model().await,
        Some("proxy") => serve_proxy(&arguments[1]).await,
        Some("relay") => serve_relay(&arguments[1]).await,
        _ => measure(&arguments).await,
    }
}

async fn serve_model() -> Result<(), Failure> {
    let model = Rehearsal::start(None, None).await?;
    println!("{}", model.base_url());
    std::future::pending().await
}

/// Books that nobody reads.
struct Unread;

impl Books for Unread {
    fn permit(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn answered(&self, _: Answered) {}

    fn held(&self, _: Held) {}

    fn not_allowed(&self, _: &str, _: &[String]) {}

    fn unpriced(&self, _: &str) {}
}

async fn serve_proxy(model: &str) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let proxy = ModelProxy::new(Prices::published_and(&BTreeMap::new()), Arc::clone(&clock), Limits::default());
    let account = Account { name: "only".into(), weight: 1, credential: Credential::ApiKey("key".into()) };
    let pass = Pass {
        api: ModelApi::Anthropic,
        api_path: "",
        upstream: model.parse()?,
        pool: Arc::new(Pool::new(vec![account])),
        models: AllowedModels::default(),
        priced_as: None,
        expires: clock.now().plus_millis(3_600_000),
        books: Arc::new(Unread),
    };
    let _admission = proxy.admit(TOKEN, pass);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    let _serving = proxy.serve(listener)?;
    std::future::pending().await
}

/// Copies bytes between a client and the model, and reads none of them.
async fn serve_relay(model: &str) -> Result<(), Failure> {
    let model: SocketAddr = model.trim_start_matches("http://").parse()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut model = TcpStream::connect(model).await?;
            client.set_nodelay(true)?;
            model.set_nodelay(true)?;
            copy_bidirectional_with_sizes(&mut client, &mut model, RELAYED, RELAYED).await
        });
    }
}

/// Another process of this program, and the address that it prints.
async fn start(arguments: &[&str]) -> Result<(Child, String), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let stdout = child.stdout.take().ok_or("it has an output")?;
    let address = BufReader::new(stdout).lines().next_line().await?.ok_or("it prints its address")?;
    Ok((child, address))
}

async fn measure(arguments: &[String]) -> Result<(), Failure> {
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse::<usize>());
    let (streams, idle) = (number(0, 100)?, number(1, 10_000)?);
    let (_model, model) = start(&["model"]).await?;
    let (proxy_process, proxy) = start(&["proxy", &model]).await?;
    let (_relay, relay) = start(&["relay", &model]).await?;
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(streams).build()?;
    first_bytes(&http, &model, &proxy).await?;
    for prompt in ["[[slow: 3s]]", "[[long: 200000]]"] {
        rates(&http, [&model, &proxy, &relay], prompt, streams).await?;
    }
    idle_streams(&model, &proxy, proxy_process.id().ok_or("it runs")?, idle).await
}

fn request(http: &reqwest::Client, base: &str, prompt: &str) -> reqwest::RequestBuilder {
    let body = format!(
        r#"{{"model":"claude-haiku-4-5","max_tokens":9,"stream":true,"messages":[{{"role":"user","content":"{prompt}"}}]}}"#
    );
    http.post(format!("{base}/v1/messages"))
        .header("x-api-key", TOKEN)
        .header("anthropic-version", "2023-06-01")
        .body(body)
}

async fn first_bytes(http: &reqwest::Client, model: &str, proxy: &str) -> Result<(), Failure> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..1_000 {
        for (base, times) in [model, proxy].into_iter().zip(&mut times) {
            let begun = Instant::now();
            let mut answer = request(http, base, "[[say: hi]]").send().await?;
            answer.chunk().await?.ok_or("an answer")?;
            times.push(begun.elapsed());
            while answer.chunk().await?.is_some() {}
        }
    }
    let [direct, proxied] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    });
    println!(
        "first byte, median of 1000: {direct:.3} ms directly, {proxied:.3} ms by the proxy, {:.3} ms more",
        proxied - direct
    );
    Ok(())
}

async fn rates(http: &reqwest::Client, bases: [&str; 3], prompt: &str, streams: usize) -> Result<(), Failure> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (base, rates) in bases.into_iter().zip(&mut rates) {
            let begun = Instant::now();
            let all = try_join_all((0..streams).map(|_| whole(request(http, base, prompt)))).await?;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
            rates.push(all.iter().sum::<usize>() as f64 / begun.elapsed().as_secs_f64() / 1e6);
        }
    }
    let [direct, proxied, relayed] = rates.map(|mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!(
        "{streams} streams of {prompt}: {direct:.2} MB/s directly, {proxied:.2} by the proxy ({:.0} %), {relayed:.2} by the relay \
         ({:.0} %)",
        100.0 * proxied / direct,
        100.0 * relayed / direct
    );
    Ok(())
}

async fn whole(request: reqwest::RequestBuilder) -> Result<usize, Failure> {
    let mut pieces = request.send().await?.bytes_stream();
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        bytes += piece?.len();
    }
    Ok(bytes)
}

/// Opens streams that say one thing and then nothing, and keeps them.
async fn idle_streams(_model: &str, proxy: &str, process: u32, count: usize) -> Result<(), Failure> {
    let before = resident(process)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut open = Vec::new();
    while open.len() < count {
        let more = (count - open.len()).min(200);
        let answers = try_join_all((0..more).map(|_| request(&http, proxy, "[[say: hi]] [[hang]]").send())).await;
        let mut answers = answers.map_err(|error| format!("after {} streams: {error}", open.len()))?;
        for answer in &mut answers {
            answer.chunk().await?.ok_or("a first piece")?;
        }
        open.extend(answers);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = (resident(process)? - before) / open.len();
    println!("{} idle streams hold; {:.1} KB each in the proxy", open.len(), each as f64 / 1024.0);
    Ok(())
}

/// Bytes of memory that a process has.
fn resident(process: u32) -> Result<usize, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("it tells its memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}
