//! Sockets that are none of the network's.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use legwork_runner::Network;

use crate::lab::{Attacker, Lab, new_execution};

as_each_user! {
    row_19_sockets_of_the_machines_services_are_not_there,
    row_20_names_without_files_are_out_of_reach_and_interfaces_stay,
    row_20_nothing_but_internet_sockets_leads_anywhere,
    row_20_with_the_machines_network_names_without_files_are_out_of_reach,
}

in_containers! {
    row_19_sockets_of_the_machines_services_are_not_there,
    row_20_names_without_files_are_out_of_reach_and_interfaces_stay,
}

async fn row_19_sockets_of_the_machines_services_are_not_there(attacker: Attacker) {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("service.sock");
    let listener = UnixListener::bind(&path).expect("it listens");
    listener.set_nonblocking(true).expect("set");
    let script = format!(
        r#"
def unix(path):
    socket.socket(socket.AF_UNIX).connect(path)
attempt("a service of the machine", lambda: unix("{}"))
for path in ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
             "/run/dbus/system_bus_socket", "/run/user/0/bus", "/run/user/1000/gnupg/S.gpg-agent", "/tmp/.X11-unix/X0"]:
    attempt(path, lambda: unix(path))
found = os.popen("find / -path /proc -prune -o -type s -print 2>/dev/null").read()
print(f"sockets in sight: {{found or 'none'}}")
"#,
        path.display()
    );
    let told = Lab::new(attacker).python(&script).await;
    assert!(told.output.contains("sockets in sight: none"), "{}", told.output);
    let others = told.output.lines().filter(|line| !line.starts_with("sockets in sight"));
    assert!(others.clone().count() == 9 && others.clone().all(|line| line.ends_with(": ENOENT")), "{}", told.output);
    assert!(listener.accept().is_err(), "somebody connected");
}

async fn row_20_names_without_files_are_out_of_reach_and_interfaces_stay(attacker: Attacker) {
    let name = format!("legwork-{}", new_execution());
    let listener =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("it listens");
    listener.set_nonblocking(true).expect("set");
    let script = format!(
        r#"
attempt("a name without a file", lambda: socket.socket(socket.AF_UNIX).connect("\0{name}"))
def bring_down():
    it = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    it.send(struct.pack("=IHHII", 32, 16, 5, 1, 0) + struct.pack("=BxHiII", 0, 0, 1, 0, 1))
    error = struct.unpack("=i", it.recv(1024)[16:20])[0]
    if error:
        raise OSError(-error, "")
attempt("bringing an interface down", bring_down)
"#
    );
    let expected = [("a name without a file", "ECONNREFUSED"), ("bringing an interface down", "EPERM")];
    Lab::new(attacker).python(&script).await.check(&expected);
    assert!(listener.accept().is_err(), "somebody connected");
}

/// What an engine's own filter says to these depends on its version.
async fn row_20_nothing_but_internet_sockets_leads_anywhere(attacker: Attacker) {
    let script = r#"
attempt("AF_VSOCK", lambda: socket.socket(40, socket.SOCK_STREAM) and None)
attempt("AF_ALG", lambda: socket.socket(38, socket.SOCK_SEQPACKET) and None)
attempt("netfilter", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) and None)
attempt("audit", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) and None)
attempt("io_uring", lambda: syscall(425, 425, 8, 0))
"#;
    Lab::new(attacker).python(script).await.check(&[
        ("AF_VSOCK", "EPERM"),
        ("AF_ALG", "EPERM"),
        ("netfilter", "EPERM"),
        ("audit", "EPERM"),
        ("io_uring", "EPERM"),
    ]);
}

async fn row_20_with_the_machines_network_names_without_files_are_out_of_reach(attacker: Attacker) {
    let mut lab = Lab::new(attacker);
    lab.confinement.network = Network::Machine;
    let script = r#"
attempt("AF_UNIX", lambda: socket.socket(socket.AF_UNIX) and None)
attempt("a pair", lambda: socket.socketpair() and None)
attempt("AF_INET", lambda: socket.socket() and None)
"#;
    lab.python(script).await.check(&[("AF_UNIX", "EPERM"), ("a pair", "done"), ("AF_INET", "done")]);
}
