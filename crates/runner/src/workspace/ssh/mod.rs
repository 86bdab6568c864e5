//! How git reaches repositories over SSH: by OpenSSH, with the operator's key, and with no configuration but what is
//! written here.
//!
//! The key is in a file of memory that git was started with and that ends with it, so it is in no argument, no variable
//! and no file on the disk.

mod complaint;
mod files;
mod url;

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::url::Url;
use rustix::fs::{MemfdFlags, memfd_create};

pub(super) use complaint::complaint;
pub(super) use url::{long_form, parse};

pub(super) const SCHEME: &str = "ssh";
pub(super) const PORT: u16 = 22;

/// What the operator gave for repositories over SSH.
#[derive(Clone)]
pub struct Ssh {
    key: String,
    program: PathBuf,
}

impl Ssh {
    /// Takes an unencrypted private key as OpenSSH writes it, and writes what ssh is to know besides into `directory`: its
    /// configuration, and `known_hosts`, outside of which no host is trusted.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(key: &str, known_hosts: &str, directory: &Path) -> io::Result<Self> {
        // OpenSSH reads lines that end, and in no other way than Unix has it.
        let lines = key.trim().lines().map(str::trim_end);
        let key = lines.flat_map(|line| [line, "\n"]).collect();
        Ok(Self { key, program: files::write(directory, known_hosts)? })
    }

    /// A file in memory that only its owner may read, as OpenSSH wants its keys; it is read more than once.
    pub(super) fn secret(&self) -> io::Result<OwnedFd> {
        let mut file = File::from(memfd_create("key", MemfdFlags::CLOEXEC)?);
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(self.key.as_bytes())?;
        Ok(file.into())
    }

    /// What makes git start ssh, and have it go this way.
    pub(super) fn environment(&self, way: &Way) -> [(&'static str, OsString); 2] {
        let program = self.program.display().to_string().replace('\'', r"'\''");
        let command = format!("'{program}' '{}' '{}'", way.address, way.known_as);
        [("GIT_SSH_COMMAND", command.into()), ("GIT_SSH_VARIANT", "ssh".into())]
    }
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("program", &self.program).finish_non_exhaustive()
    }
}

/// The way to a host whose address was looked up and found good.
#[derive(Debug)]
pub(super) struct Way {
    /// The address to connect to: ssh is not to ask for it again.
    address: IpAddr,
    /// The name that the host's key is looked up by.
    known_as: String,
}

impl Way {
    /// The way to the host of a URL that was [read](parse) here.
    pub(super) fn new(url: &Url, address: IpAddr) -> Self {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let known_as = url.port().map_or_else(|| bare.to_owned(), |port| format!("[{bare}]:{port}"));
        Self { address, known_as }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn ssh_is_told_the_address_that_was_looked_at_and_the_name_of_its_key() {
        let folder = tempfile::tempdir().expect("a directory");
        let directory = folder.path().join("it's 100%");
        let ssh = Ssh::new("key", "host.org ssh-ed25519 AAAA", &directory).expect("written");
        for (url, address, expected) in [
            ("ssh://git@host.org/a", "192.0.2.1", "'192.0.2.1' 'host.org'"),
            ("ssh://git@host.org:2222/a", "2001:db8::1", "'2001:db8::1' '[host.org]:2222'"),
            ("ssh://git@[2001:db8::1]/a", "2001:db8::1", "'2001:db8::1' '2001:db8::1'"),
            ("ssh://git@[2001:db8::1]:2222/a", "2001:db8::1", "'2001:db8::1' '[2001:db8::1]:2222'"),
        ] {
            let way = Way::new(&url.parse().expect("a URL"), address.parse().expect("an address"));
            let [(_, command), _] = ssh.environment(&way);
            let program = format!("'{}/it'\\''s 100%/ssh'", folder.path().display());
            assert_eq!(command.to_str(), Some(format!("{program} {expected}").as_str()));
        }
        let config = std::fs::read_to_string(directory.join("config")).expect("written");
        assert!(config.contains("it's 100%%/known_hosts\"\n"), "{config}");
    }

    #[test]
    fn the_key_is_in_a_file_of_its_owner_alone_and_in_no_debug_output() {
        let folder = tempfile::tempdir().expect("a directory");
        let ssh = Ssh::new(" BEGIN\r\nsecret \r\nEND", "", folder.path()).expect("written");
        let secret = ssh.secret().expect("a file");
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&secret));
        for _ in 0..2 {
            let mut file = File::open(&path).expect("it can be opened again");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            assert_eq!(text, "BEGIN\nsecret\nEND\n");
            assert_eq!(file.metadata().expect("its mode").permissions().mode() & 0o777, 0o600);
        }
        assert!(!format!("{ssh:?}").contains("secret"));
    }
}
