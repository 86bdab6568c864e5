//! Sockets inside that are served from outside.
//!
//! The egress proxy is such an [`Uplink`]; its rows of the matrix are in `egress`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use legwork_runner::{Network, Uplink};
use tokio::task::JoinSet;

use crate::lab::{Attacker, Lab};

as_each_user! {
    what_listens_inside_is_answered_from_outside,
}

/// Says back what it hears.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    heard: Arc<AtomicUsize>,
    served: std::sync::Mutex<JoinSet<()>>,
}

impl Uplink for Echo {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![([127, 0, 0, 1], 3128).into(), ([0, 0, 0, 0, 0, 0, 0, 1], 3128).into(), ([127, 0, 0, 1], 1080).into()]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
            let heard = Arc::clone(&self.heard);
            self.served.lock().expect("not poisoned").spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    heard.fetch_add(1, Ordering::Relaxed);
                    let (mut read, mut write) = stream.split();
                    _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    }
}

async fn what_listens_inside_is_answered_from_outside(attacker: Attacker) {
    let echo = Arc::new(Echo::default());
    let mut lab = Lab::new(attacker);
    lab.confinement.network = Network::Own(Arc::clone(&echo) as Arc<dyn Uplink>);
    let script = r#"
def say(host, port):
    with socket.create_connection((host, port), timeout=5) as it:
        it.sendall(b"hello")
        it.shutdown(socket.SHUT_WR)
        return it.recv(100).decode()
attempt("by IPv4", lambda: say("127.0.0.1", 3128))
attempt("by IPv6", lambda: say("::1", 3128))
attempt("by name", lambda: say("localhost", 1080))
attempt("elsewhere", lambda: connect("127.0.0.1", 3129))
"#;
    let expected = [("by IPv4", "hello"), ("by IPv6", "hello"), ("by name", "hello"), ("elsewhere", "ECONNREFUSED")];
    lab.python(script).await.check(&expected);
    assert_eq!(echo.heard.load(Ordering::Relaxed), 3);
    lab.confinement.network = Network::Machine;
    assert_eq!(Arc::strong_count(&echo), 1, "it goes with its run");
}
