//! The system that an agent sees: programs and libraries of the machine, none of its settings that are not needed to run
//! them, and none of its running services.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::mount::{Access, Mount};

/// Programs and libraries, which everybody may read.
pub(super) const PROGRAMS: &[&str] = &["/usr", "/opt", "/nix/store"];

/// The same under older names; links on most systems.
const OLDER_NAMES: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Settings that programs can't do without or that make them behave as usual, and that hold no secrets.
const SETTINGS: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "inputrc",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "magic.mime",
    "mime.types",
    "os-release",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "profile",
    "protocols",
    "python3",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
];

/// What is copied for each run, in bytes: settings that are no larger.
const SMALL: u64 = 128 * 1024;

/// What the machine resolves names with; of use only with its network.
const NETWORK_SETTINGS: &[&str] = &["hosts", "resolv.conf"];

/// Parts of `/proc` that are the machine's. That the user inside is none of the machine's does not keep it from them: to the
/// kernel it is the user that the server runs as, and where that is the superuser these files are its own.
const OF_THE_MACHINE: &[&str] = &[
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/mtrr",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
];

/// Who the agent is, inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person<'a> {
    pub(super) user: u32,
    pub(super) home: &'a str,
}

/// The system, before anything that belongs to one program or one run.
pub(super) fn system(person: Person<'_>, own_network: bool, temporary: u64) -> Vec<Mount> {
    let mut mounts: Vec<_> =
        PROGRAMS.iter().map(Path::new).filter(|path| holds_any(path)).filter_map(visible).collect();
    mounts.extend(OLDER_NAMES.iter().filter_map(|path| older_name(Path::new(path))));
    mounts.extend(settings(own_network));
    mounts.extend(written(person, own_network));
    mounts.push(Mount::Processes);
    mounts.extend(visible(Path::new("/proc/sys")));
    mounts.extend(OF_THE_MACHINE.iter().map(Path::new).filter(|it| it.exists()).map(|it| Mount::Hidden(it.into())));
    mounts.push(Mount::Devices);
    for (at, mode) in [
        ("/dev/shm", "1777"),
        ("/tmp", "1777"),
        ("/var/tmp", "1777"),
        ("/run", "0755"),
        ("/home", "0755"),
        ("/root", "0700"),
    ] {
        mounts.push(Mount::Temporary { at: at.into(), mode, bytes: temporary });
    }
    mounts.push(Mount::Link { at: "/var/run".into(), target: "/run".into() });
    mounts
}

/// What is left writable of it once everything is in its place: nothing but directories in memory.
pub(super) fn seals() -> [Mount; 2] {
    [Mount::Sealed("/dev".into()), Mount::Sealed("/".into())]
}

fn visible(path: &Path) -> Option<Mount> {
    path.exists().then(|| Mount::Visible(path.to_owned(), Access::Read))
}

fn older_name(path: &Path) -> Option<Mount> {
    match std::fs::read_link(path) {
        Ok(target) => Some(Mount::Link { at: path.to_owned(), target }),
        Err(_) => visible(path),
    }
}

fn settings(own_network: bool) -> impl Iterator<Item = Mount> {
    let network = if own_network { &[] } else { NETWORK_SETTINGS };
    SETTINGS.iter().chain(network).filter_map(|name| setting(&Path::new("/etc").join(name)))
}

fn setting(path: &Path) -> Option<Mount> {
    let found = std::fs::metadata(path).ok()?;
    let is_small = found.is_file() && found.len() <= SMALL;
    let is_worth_it = !found.is_dir() || holds_any(path);
    if is_small { Some(Mount::Copied(path.to_owned())) } else { visible(path).filter(|_| is_worth_it) }
}

/// Whether there is anything in a directory.
fn holds_any(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// Settings that are written for the run: the machine's would tell who has an account on it, and how it finds services.
fn written(Person { user, home }: Person<'_>, own_network: bool) -> Vec<Mount> {
    let mut passwd = String::new();
    let mut group = String::new();
    for (name, id, home) in [("root", 0, "/root"), ("agent", user, home), ("nobody", 65534, "/nonexistent")] {
        if id != 0 || name == "root" {
            // Writing to a string does not fail.
            _ = writeln!(passwd, "{name}:x:{id}:{id}:{name}:{home}:/bin/sh");
            _ = writeln!(group, "{name}:x:{id}:");
        }
    }
    let order = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";
    let mut files = vec![("passwd", passwd), ("group", group), ("nsswitch.conf", order.to_owned())];
    if own_network {
        files.push(("hosts", "127.0.0.1 localhost legwork\n::1 localhost\n".to_owned()));
        files.push(("resolv.conf", String::new()));
    }
    files.into_iter().map(|(name, contents)| Mount::File { at: PathBuf::from("/etc").join(name), contents }).collect()
}
