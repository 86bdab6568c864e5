//! What attackers look for outside, and what tells whether they found it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A service on every address of the machine, which nobody inside is to reach.
pub(crate) struct Service {
    stream: TcpListener,
    datagrams: UdpSocket,
}

impl Service {
    pub(crate) fn start() -> Self {
        let stream = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        stream.set_nonblocking(true).expect("set");
        datagrams.set_nonblocking(true).expect("set");
        Self { stream, datagrams }
    }

    pub(crate) fn port(&self) -> u16 {
        self.stream.local_addr().expect("an address").port()
    }

    pub(crate) fn datagram_port(&self) -> u16 {
        self.datagrams.local_addr().expect("an address").port()
    }

    /// Nothing came in.
    pub(crate) fn check_untouched(&self) {
        assert!(self.stream.accept().is_err(), "somebody connected");
        assert!(self.datagrams.recv_from(&mut [0; 16]).is_err(), "somebody sent something");
    }

    /// It would have been told of by [`check_untouched`](Self::check_untouched).
    pub(crate) fn check_reachable_from_here(&self) {
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).expect("it is reachable");
        assert!(self.stream.accept().is_ok());
    }
}

/// The machine's address in its own network, where it has one.
pub(crate) fn own_address() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    // Nothing is sent by that.
    _ = socket.connect(SocketAddr::from(([192, 0, 2, 1], 9)));
    socket.local_addr().map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// A process outside, which ends with this.
pub(crate) struct Neighbour(Child);

impl Neighbour {
    /// With a word in its environment and in its arguments.
    #[expect(clippy::disallowed_methods, reason = "it has to be a process that the runner knows nothing of")]
    pub(crate) fn with(word: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo; read wait", word]).env("SECRET_OF_THE_MACHINE", word);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut [0]).expect("it lives");
        Self(child)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Reading ends with its input.
        drop(self.0.stdin.take());
        _ = self.0.wait();
    }
}

/// What the processes with that word in their environment have as their arguments.
pub(crate) fn arguments_of_processes_with(word: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let holds = |path: &Path, file: &str| {
        let bytes = std::fs::read(path.join(file)).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    };
    let marked = entries.map(|entry| entry.path()).filter(|path| holds(path, "environ"));
    let arguments =
        |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path.join("cmdline")).ok()?).replace('\0', " ").into();
    marked.filter_map(arguments).collect()
}
