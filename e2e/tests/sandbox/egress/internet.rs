//! A small internet on loopback: names, and sites that anybody may visit.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use legwork_gateway::egress::{Resolver, Resolving};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The addresses of a name, one set for each lookup; the last remain.
type Answers = Vec<Vec<SocketAddr>>;

/// What names lead to, and which of them were looked up.
pub(super) struct Names {
    known: Mutex<HashMap<(String, u16), Answers>>,
    /// Where all others lead, so that nothing that gets as far as being looked up is lost.
    elsewhere: SocketAddr,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub(super) fn new(elsewhere: SocketAddr) -> Self {
        Self { known: Mutex::default(), elsewhere, asked: Mutex::default() }
    }

    pub(super) fn set(&self, host: &str, port: u16, answers: Answers) {
        self.known.lock().expect("not poisoned").insert((host.to_owned(), port), answers);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    fn answer(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        self.asked.lock().expect("not poisoned").push(host.to_owned());
        match self.known.lock().expect("not poisoned").get_mut(&(host.to_owned(), port)) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => vec![self.elsewhere],
        }
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(std::future::ready(Ok(self.answer(host, port))))
    }
}

/// A site that says `hello`, or sends visitors of `/away/` on, and keeps what it heard.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    _serving: JoinSet<()>,
}

impl Site {
    pub(super) async fn start(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, acceptor, Arc::clone(&heard)));
        Self { address, heard, _serving: serving }
    }

    /// All bytes that it was sent, without TLS.
    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("not poisoned")).into_owned()
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, heard: Arc<Mutex<Vec<u8>>>) {
    let mut visits = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        visits.spawn(visit(stream, acceptor.clone(), Arc::clone(&heard)));
    }
}

async fn visit(stream: TcpStream, acceptor: Option<TlsAcceptor>, heard: Arc<Mutex<Vec<u8>>>) {
    let Some(acceptor) = acceptor else { return converse(stream, &heard).await };
    if let Ok(stream) = acceptor.accept(stream).await {
        converse(stream, &heard).await;
    }
}

/// Answers one request, and hears all that comes after it.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Mutex<Vec<u8>>) {
    let (mut request, mut answered, mut piece) = (Vec::new(), false, Vec::new());
    while let Ok(1..) = stream.read_buf(&mut piece).await {
        heard.lock().expect("not poisoned").extend(&piece);
        request.append(&mut piece);
        if !answered && request.windows(4).any(|four| four == b"\r\n\r\n") {
            answered = true;
            _ = stream.write_all(answer(&request).as_bytes()).await;
            _ = stream.shutdown().await;
        }
    }
}

fn answer(request: &[u8]) -> String {
    let request = String::from_utf8_lossy(request);
    let end = "Connection: close\r\n\r\n";
    match request.split(' ').nth(1).and_then(|path| path.strip_prefix("/away/")) {
        Some(scheme) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {scheme}://denied.test/\r\nContent-Length: 0\r\n{end}")
        }
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{end}hello"),
    }
}

/// What serves TLS for `names`, and the certificate that clients have to trust.
pub(super) fn tls(names: &[&str]) -> (TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("it fits");
    (TlsAcceptor::from(Arc::new(config)), pem(made.cert.der()))
}

/// In one line, which every reader of such files takes.
fn pem(certificate: &[u8]) -> String {
    let kind = "CERTIFICATE-----";
    format!("-----BEGIN {kind}\n{}\n-----END {kind}\n", STANDARD.encode(certificate))
}
