//! Measures what the egress proxy costs: the same bytes over loopback directly, through a relay that judges nothing, and through
//! tunnels, in one process, by turns. They go as TLS, which is all that a tunnel carries, and as plain bytes.
//!
//! All three share the processors with both ends. Plain bytes cost the ends nothing but two copies, so on few processors any
//! relay halves their rate, also one in which the kernel moves pages (`splice`), which TLS makes slower: its pieces are small.
//!
//! `cargo run --release -p legwork-gateway --example egress_throughput -- [TUNNELS] [MEGABYTES EACH] [ROUNDS]`

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use legwork_gateway::egress::{Credential, Egress, Limits, Mode, Policy, Resolver, Resolving, forward};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Failure = Box<dyn Error + Send + Sync>;

const HOST: &str = "site.test";
const MEGABYTE: usize = 1024 * 1024;
const REQUEST: &str =
    "CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\nProxy-Authorization: Basic cnVuOnRva2Vu\r\n\r\n";
const ESTABLISHED: usize = "HTTP/1.1 200 Connection established\r\n\r\n".len();

/// Finds the site, whatever is asked for.
struct OneSite(SocketAddr);

impl Resolver for OneSite {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        Box::pin(std::future::ready(Ok(vec![self.0])))
    }
}

/// How the bytes go.
#[derive(Clone)]
enum Kind {
    Tls {
        acceptor: TlsAcceptor,
        connector: TlsConnector,
    },
    /// Behind the first message of a TLS client, without which no tunnel opens.
    Plain {
        hello: Arc<[u8]>,
    },
}

/// What is measured.
#[derive(Clone)]
struct Load {
    tunnels: usize,
    bytes: usize,
    kind: Kind,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default));
    let (tunnels, megabytes, rounds) = (next(50)?, next(64)?, next(5)?);
    println!("{tunnels} connections, {megabytes} MB each, in MB/s");
    for (name, kind) in [("TLS", tls()?), ("plain bytes", plain()?)] {
        measure(name, &Load { tunnels, bytes: megabytes * MEGABYTE, kind }, rounds).await?;
    }
    Ok(())
}

async fn measure(name: &str, load: &Load, rounds: usize) -> Result<(), Failure> {
    let site = serve_site(load.clone()).await?;
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let proxy = listener.local_addr()?;
    let policy = Policy {
        mode: Mode::Enforce,
        allowed: vec![HOST.parse()?],
        allow_private: vec![site.ip().into()],
        credential: Credential::new("token"),
    };
    let egress = Egress::new(Arc::new(OneSite(site)), Limits::default());
    let (_guard, _decisions) = egress.serve(listener, Arc::new(policy))?;

    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let relay = listener.local_addr()?;
    let _relay = forward(listener, site)?;

    for round in 1..=rounds {
        let direct = rate(load, fetch_all(load, site, false).await?);
        let relayed = rate(load, fetch_all(load, relay, false).await?);
        let proxied = rate(load, fetch_all(load, proxy, true).await?);
        let (of_direct, of_relayed) = (100.0 * proxied / direct, 100.0 * proxied / relayed);
        println!(
            "{name}, round {round}: direct {direct:.0}, relayed {relayed:.0}, through the proxy {proxied:.0}: \
             {of_direct:.0} % of direct, {of_relayed:.0} % of relayed"
        );
    }
    Ok(())
}

/// Both ends of TLS with a site that has a certificate of its own making.
fn tls() -> Result<Kind, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let server = server.with_no_client_auth().with_single_cert(vec![certificate], key)?;
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let client = client.with_root_certificates(roots).with_no_client_auth();
    Ok(Kind::Tls { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
}

fn plain() -> Result<Kind, Failure> {
    let Kind::Tls { connector, .. } = tls()? else { return Err("TLS has another kind".into()) };
    let mut client = ClientConnection::new(Arc::clone(connector.config()), ServerName::try_from(HOST)?)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(Kind::Plain { hello: hello.into() })
}

/// Serves the bytes to whoever connects.
async fn serve_site(load: Load) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, load.clone()));
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream, load: Load) -> Result<(), Failure> {
    match &load.kind {
        Kind::Tls { acceptor, .. } => give(acceptor.accept(stream).await?, &load).await,
        Kind::Plain { hello } => {
            stream.read_exact(&mut vec![0; hello.len()]).await?;
            give(stream, &load).await
        }
    }
}

async fn give(mut stream: impl AsyncWrite + Unpin, load: &Load) -> Result<(), Failure> {
    let piece = vec![7; MEGABYTE];
    for _ in 0..load.bytes / MEGABYTE {
        stream.write_all(&piece).await?;
    }
    Ok(stream.shutdown().await?)
}

/// Fetches the bytes on all connections at once, and tells how long that took.
async fn fetch_all(load: &Load, to: SocketAddr, is_proxy: bool) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let mut fetching = JoinSet::new();
    for _ in 0..load.tunnels {
        fetching.spawn(fetch(load.clone(), to, is_proxy));
    }
    while let Some(fetched) = fetching.join_next().await {
        fetched??;
    }
    Ok(begin.elapsed())
}

async fn fetch(load: Load, to: SocketAddr, is_proxy: bool) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(to).await?;
    if is_proxy {
        stream.write_all(REQUEST.as_bytes()).await?;
        stream.read_exact(&mut [0; ESTABLISHED]).await?;
    }
    match &load.kind {
        Kind::Tls { connector, .. } => take(connector.connect(ServerName::try_from(HOST)?, stream).await?, &load).await,
        Kind::Plain { hello } => {
            stream.write_all(hello).await?;
            take(stream, &load).await
        }
    }
}

async fn take(mut stream: impl AsyncRead + Unpin, load: &Load) -> Result<(), Failure> {
    let (mut piece, mut taken) = (vec![0; MEGABYTE], 0);
    while taken < load.bytes {
        match stream.read(&mut piece).await? {
            0 => return Err("a connection ended early".into()),
            length => taken += length,
        }
    }
    Ok(())
}

/// Megabytes in a second.
fn rate(load: &Load, took: Duration) -> f64 {
    (load.tunnels * load.bytes / MEGABYTE) as f64 / took.as_secs_f64()
}
