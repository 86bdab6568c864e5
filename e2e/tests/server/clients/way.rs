//! A way to a server that can be closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on while it is open.
pub(super) struct Way {
    url: String,
    passed: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Way {
    /// An open way to the server at `url`, of whatever scheme.
    pub(super) async fn to(url: &str) -> Self {
        let (scheme, server) = url.split_once("://").expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let way = Self { url, passed: Arc::default(), open: watch::Sender::new(true) };
        let (passed, open, server) = (Arc::clone(&way.passed), way.open.subscribe(), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut open = open.clone();
                if *open.borrow_and_update() {
                    passed.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(pass(client, server.clone(), open));
                }
            }
        });
        way
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many connections it let through so far.
    pub(super) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Ends the connections that there are, and lets no other through.
    pub(super) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(super) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(mut client: TcpStream, server: String, mut open: watch::Receiver<bool>) {
    let mut server = TcpStream::connect(server).await.expect("the server is there");
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = open.changed() => {}
    }
}
