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
