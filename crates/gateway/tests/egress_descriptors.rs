//! The proxy while its process has no file descriptor left. In a binary of its own, because all of the process suffers.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use legwork_gateway::egress::{Credential, Egress, Limits, Mode, Policy, SystemResolver};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn the_proxy_goes_on_when_descriptors_come_back() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let credential = Credential::new("token");
    let policy = Policy { mode: Mode::Enforce, allowed: Vec::new(), allow_private: Vec::new(), credential };
    let egress = Egress::new(Arc::new(SystemResolver::default()), Limits::default());
    let (_guard, _decisions) = egress.serve(listener, Arc::new(policy)).unwrap();

    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // The client has the last one, so there is none to accept it with.
    taken.pop();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // Nobody answers: all that is ready has been tried when this is through.
    let unanswered = timeout(Duration::from_millis(200), stream.readable()).await;
    assert!(unanswered.is_err());
    drop(taken);
    let mut answer = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
}
