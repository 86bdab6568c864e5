//! How git gets the token of a private repository: it asks a program, which reads the token from a pipe that git was
//! started with. So the token is in no argument, no variable and no file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::sandbox::spawn::SECRET_FD;

/// Hosts that take tokens take them with any name; this is the one that GitHub's documentation has.
const USER: &str = "x-access-token";

/// Writes the program that git asks.
///
/// # Errors
/// What the file system says.
pub fn write_askpass(path: &Path) -> io::Result<()> {
    let script = format!("#!/bin/sh\ncase \"$1\" in\nUsername*) echo {USER} ;;\n*) cat <&{SECRET_FD} ;;\nesac\n");
    // Written beside its place: a program that is being written can't be started.
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&draft)?;
    file.write_all(script.as_bytes())?;
    drop(file);
    fs::rename(draft, path)
}

/// No token is longer, and a pipe takes this much before anybody reads.
const LONGEST_TOKEN: usize = 16 * 1024;

/// A pipe that holds the token and then ends.
pub(super) fn secret(token: &str) -> io::Result<OwnedFd> {
    if token.len() > LONGEST_TOKEN {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the token is too long to be one"));
    }
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    fs::File::from(write).write_all(format!("{token}\n").as_bytes())?;
    Ok(read)
}
