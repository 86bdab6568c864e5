//! What git authenticates with at a repository's host.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::askpass;
use super::ssh::{Ssh, Way};

/// What git authenticates with. It gets the secret as a descriptor, and by its environment the program that reads it.
#[derive(Debug)]
pub(super) enum Access<'a> {
    /// A token, over HTTP.
    Token(&'a str),
    /// The operator's key, over SSH.
    Key(&'a Ssh, &'a Way),
}

impl Access<'_> {
    pub(super) fn secret(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Token(token) => askpass::secret(token),
            Self::Key(ssh, _) => ssh.secret(),
        }
    }

    pub(super) fn environment(&self, askpass: &Path) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Token(_) => vec![("GIT_ASKPASS", askpass.into())],
            Self::Key(ssh, way) => ssh.environment(way).into(),
        }
    }
}
