//! The network of a run that has one of its own: sockets can be made in it from outside, without a process inside.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::time::Instant;

use crate::namespace::Namespace;
use crate::pause::Pauses;

/// A connection to a socket on the same machine is made at once or not at all.
const CONNECT: Duration = Duration::from_secs(10);

/// The network that a run has.
#[derive(Debug, Clone)]
pub(crate) enum RunNetwork {
    /// The machine's.
    Machine,
    /// One of its own.
    Own(Namespace),
}

impl RunNetwork {
    /// The network of a process.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self::Own(Namespace::network_of(pid)?))
    }

    /// Sockets in it that listen, which do not block. The loopback interface of a new network takes a moment to have its
    /// addresses, and a server that just died, or the job before, one to give them free.
    pub(crate) async fn listen(&self, addresses: Vec<SocketAddr>, deadline: Instant) -> io::Result<Vec<TcpListener>> {
        let mut pauses = Pauses::new();
        loop {
            let wanted = addresses.clone();
            let listening = self.within(move || wanted.into_iter().map(listener).collect::<io::Result<Vec<_>>>()).await;
            match listening {
                Err(error) if passes(&error) && Instant::now() < deadline => {
                    pauses.next(deadline).await;
                }
                listening => return listening,
            }
        }
    }

    /// A connection to what listens in it.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<tokio::net::TcpStream> {
        if matches!(self, Self::Machine) {
            return tokio::net::TcpStream::connect(address).await;
        }
        let stream = self.within(move || TcpStream::connect_timeout(&address, CONNECT)).await?;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    /// Does `work` there. A socket stays in the network that it was made in.
    async fn within<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        match self {
            Self::Machine => work(),
            Self::Own(namespace) => namespace.within(work).await,
        }
    }
}

/// Whether what is wrong with an address now may be right in a moment.
fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse)
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_given_free_in_time_is_had() {
        let before = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = before.local_addr().expect("its address");
        let listening =
            tokio::spawn(async move { RunNetwork::Machine.listen(vec![address], Instant::now() + CONNECT).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(before);
        let had = listening.await.expect("no panic").expect("it listens");
        assert_eq!(had[0].local_addr().expect("its address"), address);
    }

    #[tokio::test]
    async fn an_address_that_stays_in_use_is_an_error() {
        let before = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = before.local_addr().expect("its address");
        let error = RunNetwork::Machine.listen(vec![address], Instant::now()).await.expect_err("it is in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
