//! A small internet on loopback: names, a site that anybody may visit, and one that nobody may reach.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};

use legwork_gateway::egress::{Resolver, Resolving};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// The addresses of a name, one set for each lookup.
type Answers = Vec<Vec<SocketAddr>>;

/// What the names are, and which of them were looked up. A name may have other addresses each time it is looked up.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<(String, u16), Answers>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// From now on `host` has these addresses.
    pub(crate) fn set(&self, host: &str, port: u16, addresses: &[SocketAddr]) {
        self.set_changing(host, port, vec![addresses.to_vec()]);
    }

    /// From now on `host` has the first of these when it is first looked up, and so on; the last remain.
    pub(crate) fn set_changing(&self, host: &str, port: u16, answers: Answers) {
        self.answers.lock().unwrap().insert((host.to_owned(), port), answers);
    }

    /// What was looked up.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn answer(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(&(host.to_owned(), port)).ok_or(ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(std::future::ready(self.answer(host, port)))
    }
}

/// A site that answers each request, and keeps what it was sent.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Site {
    /// A site of plain HTTP, which gives everybody the same answer.
    pub(crate) async fn plain(answer: &'static str) -> Self {
        Self::start(None, answer).await
    }

    /// A site of TLS.
    pub(crate) async fn tls(acceptor: TlsAcceptor, answer: &'static str) -> Self {
        Self::start(Some(acceptor), answer).await
    }

    /// All bytes that it was sent, without TLS.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    async fn start(acceptor: Option<TlsAcceptor>, answer: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keeper = Arc::clone(&heard);
        let serving = tokio::spawn(async move {
            let mut visitors = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, keeper) = (acceptor.clone(), Arc::clone(&keeper));
                visitors.spawn(async move {
                    match acceptor {
                        None => converse(stream, &keeper, answer).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => converse(stream, &keeper, answer).await,
                            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                            Err(_) => keeper.lock().unwrap().extend(b"a bad handshake"),
                        },
                    }
                });
            }
        });
        Self { address, heard, _serving: AbortOnDropHandle::new(serving) }
    }
}

/// Answers one request, and hears all that comes after it.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Mutex<Vec<u8>>, answer: &str) {
    let mut all = Vec::new();
    while !all.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = Vec::new();
        if !matches!(stream.read_buf(&mut piece).await, Ok(1..)) {
            return;
        }
        heard.lock().unwrap().extend(&piece);
        all.extend(piece);
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    heard.lock().unwrap().extend(rest);
}

/// A server that nobody may reach. It serves nobody either, so that who has reached it waits to be found.
pub(crate) struct Forbidden(StdListener);

impl Forbidden {
    pub(crate) fn start() -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Nobody has connected.
    pub(crate) fn assert_unreached(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

/// Both ends of TLS for `names`.
pub(crate) fn tls(names: &[&str]) -> (TlsAcceptor, Arc<ClientConfig>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
}
