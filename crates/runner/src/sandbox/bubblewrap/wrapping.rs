//! Puts `bwrap` around a program that is ready to be started.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::spawn::{Planned, Spawn};
use super::super::{Confinement, Network, SpawnError};
use super::gate::Inside;
use super::mount::{Words, in_memory};
use super::probe::Users;
use super::seccomp;
use super::view::view;

/// Who the agent is inside where nobody says: anybody but the superuser.
const USER: u32 = 1000;

/// What the machine is called inside.
const HOST_NAME: &str = "legwork";

/// Namespaces that every run has for itself, and how all of it ends.
const ALWAYS: [&str; 9] = [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
];

/// Whether the program could be started by itself. `bwrap` would not say what is wrong with it.
pub(super) fn wrappable(planned: &Planned) -> Result<(), SpawnError> {
    let spawn = &planned.spawn;
    let foreseen = SpawnError::foreseen(&spawn.program, &spawn.directory, &planned.install_hint);
    foreseen.map_or(Ok(()), Err)
}

/// The program with `bwrap` around it.
pub(super) fn wrap(
    spawn: Spawn,
    bwrap: &Path,
    users: Users,
    confinement: &Confinement,
    inside: Inside,
) -> Result<Spawn, SpawnError> {
    let user = confinement.container.user.unwrap_or(USER);
    let mut words = Words::default();
    options(&mut words, &spawn, users, user, confinement)?;
    let files = |source| SpawnError::Other { program: bwrap.to_owned(), source };
    let filter = seccomp::filter(matches!(confinement.network, Network::Own(_)));
    words.say_file("--seccomp", in_memory(&filter).map_err(files)?);
    words.say_file("--info-fd", inside.info);
    words.say_file("--block-fd", inside.block);
    words.say(["--chdir"]);
    words.words.push(spawn.directory.clone().into());
    wrapped(spawn, bwrap, words).map_err(files)
}

fn options(
    words: &mut Words,
    spawn: &Spawn,
    users: Users,
    user: u32,
    confinement: &Confinement,
) -> Result<(), SpawnError> {
    words.say(ALWAYS);
    words.say([HOST_NAME]);
    if users != Users::OfTheMachine {
        let user = user.to_string();
        words.say(["--unshare-user", "--uid", &user, "--gid", &user]);
    }
    if users == Users::OwnAndLast {
        words.say(["--disable-userns"]);
    }
    if matches!(confinement.network, Network::Own(_)) {
        words.say(["--unshare-net"]);
    }
    for mount in view(spawn, confinement, user)? {
        words.mount(&mount).map_err(SpawnError::sandbox)?;
    }
    Ok(())
}

/// `bwrap` reads its options from a file without a name: they would be too many to be looked at in a list of processes.
fn wrapped(spawn: Spawn, bwrap: &Path, mut words: Words) -> io::Result<Spawn> {
    let mut options = Vec::new();
    for word in &words.words {
        options.extend_from_slice(word.as_bytes());
        options.push(0);
    }
    words.words.clear();
    words.say_file("--args", in_memory(&options)?);
    words.say(["--"]);
    words.words.push(spawn.program.into());
    let words_of_bwrap = words.words.into_iter().map(OsString::into_string);
    let mut args = words_of_bwrap.collect::<Result<Vec<_>, _>>().map_err(|_| io::ErrorKind::InvalidFilename)?;
    args.extend(spawn.args);
    let mut files = spawn.files;
    files.append(&mut words.files);
    // Where `bwrap` itself is started does not matter; the working directory of the agent is one of its options.
    Ok(Spawn { program: bwrap.to_owned(), args, files, main_only_waits: true, ..spawn })
}
