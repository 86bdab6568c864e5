//! The files that ssh is run with. None of them holds a secret.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sandbox::spawn::SECRET_FD;

/// Nothing is asked, nothing is believed at first sight, nothing is forwarded, and no key is offered but the one.
const CONFIGURATION: &str = "\
BatchMode yes
User git
IdentitiesOnly yes
IdentityAgent none
AddKeysToAgent no
PreferredAuthentications publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictHostKeyChecking yes
GlobalKnownHostsFile /dev/null
UpdateHostKeys no
VerifyHostKeyDNS no
CheckHostIP no
CanonicalizeHostname no
ProxyCommand none
ProxyJump none
ControlMaster no
ControlPath none
ClearAllForwardings yes
ForwardAgent no
ForwardX11 no
Tunnel no
PermitLocalCommand no
RequestTTY no
ConnectTimeout 20
ServerAliveInterval 15
ServerAliveCountMax 4
";

/// Writes them, and gives the program that is to be run for ssh.
pub(super) fn write(directory: &Path, known_hosts: &str) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let at = |name: &str| directory.join(name);
    // In ssh's configuration `%` begins what stands for something else.
    let hosts = at("known_hosts").display().to_string().replace('%', "%%");
    put(&at("known_hosts"), 0o600, &format!("{}\n", known_hosts.trim()))?;
    put(&at("config"), 0o600, &format!("{CONFIGURATION}UserKnownHostsFile \"{hosts}\"\n"))?;
    let program = at("ssh");
    put(&program, 0o700, &script(&at("config")))?;
    Ok(program)
}

/// Ssh closes all descriptors that it was started with, so the shell keeps the key open for it and stays.
fn script(config: &Path) -> String {
    let config = config.display().to_string().replace('\'', r"'\''");
    format!(
        "#!/bin/sh\naddress=$1 known_as=$2\nshift 2\n\
         ssh -F '{config}' -o HostName=\"$address\" -o HostKeyAlias=\"$known_as\" \
         -o IdentityFile=\"/proc/$$/fd/{SECRET_FD}\" \"$@\"\nexit $?\n"
    )
}

/// Written beside its place: what is being written can be neither read nor started.
fn put(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&draft)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(draft, path)
}
