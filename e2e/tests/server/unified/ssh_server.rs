//! A real sshd on a port of its own, for the repositories of a folder.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::lab::PATIENCE;

/// It serves whoever is in `authorized_keys`, as the user that runs the test, and holds its answers up while there is a
/// file `hold`.
pub(super) struct SshServer {
    folder: tempfile::TempDir,
    port: u16,
    user: String,
    _child: Child,
}

impl SshServer {
    /// `None`, and said so, where there is no sshd.
    pub(super) async fn start() -> Option<Self> {
        let Some(sshd) = sshd() else {
            eprintln!("SKIPPED: sshd is not installed; `make test` installs openssh-server");
            return None;
        };
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["host", "other_host", "client", "stranger"] {
            key(folder.path(), name).await;
        }
        std::fs::copy(folder.path().join("client.pub"), folder.path().join("authorized_keys")).expect("copied");
        let user = output("id", &["-un"]).await;
        // Debian's sshd wants to lock itself into it where it may.
        if user == "root" {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").expect("made");
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        write_settings(folder.path(), port);
        let mut child = Command::new(sshd);
        child.args(["-D", "-e", "-f"]).arg(folder.path().join("sshd_config"));
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = child.spawn().expect("sshd starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let listens = async {
            while let Some(line) = lines.next_line().await.expect("it can be read") {
                if line.contains("Server listening") {
                    return;
                }
                eprintln!("sshd: {line}");
            }
            panic!("sshd does not listen");
        };
        tokio::time::timeout(PATIENCE, listens).await.expect("sshd listens in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { folder, port, user, _child: child })
    }

    pub(super) fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@localhost:{}{}", self.user, self.port, repository.display())
    }

    /// The file of a private key: `client`'s is taken, `stranger`'s is not.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// This host with a key: `host` is its own.
    pub(super) fn known_as(&self, key: &str) -> String {
        let key = std::fs::read_to_string(self.folder.path().join(format!("{key}.pub"))).expect("a key");
        format!("[localhost]:{} {key}", self.port)
    }

    pub(super) fn hold(&self) {
        std::fs::write(self.folder.path().join("hold"), "").expect("written");
    }

    pub(super) fn go_on(&self) {
        std::fs::remove_file(self.folder.path().join("hold")).expect("removed");
    }
}

fn write_settings(folder: &Path, port: u16) {
    let at = |name: &str| folder.join(name).display().to_string();
    let settings = format!(
        "Port {port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n\
         PermitRootLogin prohibit-password\nForceCommand {}\n",
        at("host"),
        at("authorized_keys"),
        at("serve"),
    );
    std::fs::write(folder.join("sshd_config"), settings).expect("written");
    let path = std::env::var("PATH").unwrap_or_default();
    let serve = format!(
        "#!/bin/sh\nwhile [ -e '{}' ]; do sleep 0.05; done\nPATH='{path}' exec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
        at("hold")
    );
    std::fs::write(folder.join("serve"), serve).expect("written");
    std::fs::set_permissions(folder.join("serve"), std::fs::Permissions::from_mode(0o755)).expect("set");
}

/// Debian keeps it out of PATH. It insists on being called by its whole path.
fn sshd() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]).map(Path::new);
    folders.map(|folder| folder.join("sshd")).find(|program| program.is_file())
}

async fn key(folder: &Path, name: &str) {
    let file = folder.join(name).display().to_string();
    output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &file]).await;
}

async fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.expect("it runs");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
