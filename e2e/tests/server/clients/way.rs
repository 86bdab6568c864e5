//! A way to a server that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on until they are cut.
pub(super) struct Way {
    url: String,
    connections: Arc<AtomicUsize>,
    cuts: watch::Sender<usize>,
}

impl Way {
    pub(super) async fn to(url: &str) -> Self {
        let server = url.strip_prefix("http://").expect("an address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (connections, cuts) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let (count, cut) = (Arc::clone(&connections), cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut server = TcpStream::connect(&server).await.expect("the server is there");
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { url, connections, cuts }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many came this way so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends every connection that there is.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
