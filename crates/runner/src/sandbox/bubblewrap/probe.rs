//! Finds out what of `bwrap` works here, by using it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use legwork_agents::{Launch, Stdin};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::super::spawn::{Input, Spawn};
use super::super::{Confinement, Inherited, Network, Start, Uplink, Works};
use super::Bubblewrap;
use crate::cookie::Cookie;

/// The first version that has all that is asked of it.
const OLDEST: (u32, u32) = (0, 8);

/// How long the probe may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Used {
    version: String,
    pub(super) users: Users,
    /// Why a run can't have a network of its own; nothing where it can.
    no_network: Option<String>,
}

/// Whose users are inside; the best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    /// Its own, and it can't make more.
    OwnAndLast,
    /// Its own. It can't make more either, but only for the filter of system calls.
    Own,
    /// The machine's: the agent is who the server is, without its privileges.
    OfTheMachine,
}

impl Used {
    pub(super) fn in_words(&self) -> Works {
        let without = if self.users == Users::OfTheMachine { " without users of its own" } else { "" };
        Works { made_of: format!("{}{without}", self.version), no_network: self.no_network.clone() }
    }
}

impl Bubblewrap {
    /// What is used of it; why nothing can be, where nothing can.
    pub(super) async fn used(&self) -> Result<&Used, String> {
        self.used.get_or_try_init(|| self.find_out()).await
    }

    async fn find_out(&self) -> Result<Used, String> {
        let version = timeout(PATIENCE, self.version()).await.map_err(|_| "`bwrap --version` does not end")??;
        let mut first_refusal = None;
        for users in [Users::OwnAndLast, Users::Own, Users::OfTheMachine] {
            match self.runs(users, Network::Machine).await {
                Ok(()) => {
                    let no_network = self.runs(users, Network::Own(Arc::new(Nothing))).await.err();
                    return Ok(Used { version, users, no_network });
                }
                Err(refusal) => first_refusal.get_or_insert(refusal),
            };
        }
        let refusal = first_refusal.unwrap_or_default();
        Err(format!("{version} does not work here: {refusal} {}", help(&refusal)))
    }

    async fn version(&self) -> Result<String, String> {
        let program = self.program.clone();
        let failed = |error| {
            format!("`{}` can't be started ({error}); install the package `bubblewrap`", self.program.display())
        };
        let spawn = Spawn {
            program,
            args: vec!["--version".to_owned()],
            env: Vec::new(),
            directory: "/".into(),
            cookie: Cookie::probe(),
            input: Input::Null,
            files: Vec::new(),
            http: None,
            main_only_waits: false,
        };
        let mut started = self.probed_by.start(spawn).await.map_err(failed)?;
        let mut said = String::new();
        if let Some(stdout) = &mut started.stdout {
            _ = stdout.take(1024).read_to_string(&mut said).await;
        }
        // What it said counts.
        _ = started.process.wait().await;
        checked_version(said.trim())
    }

    /// Whether a program that does nothing runs, confined as any other.
    async fn runs(&self, users: Users, network: Network) -> Result<(), String> {
        timeout(PATIENCE, self.run_nothing(users, network)).await.map_err(|_| "it does not end".to_owned())?
    }

    async fn run_nothing(&self, users: Users, network: Network) -> Result<(), String> {
        let launch = Launch {
            program: "/bin/true".into(),
            args: Vec::new(),
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            files: Vec::new(),
            stdin: Stdin { bytes: Vec::new(), open_until_turn_ends: false },
            serves: false,
            http: None,
        };
        let confinement = Confinement { network, ..Confinement::default() };
        let start = Start {
            launch,
            directory: Path::new("/"),
            cookie: &Cookie::probe(),
            install_hint: "",
            inherited: Inherited::default(),
            confinement: &confinement,
            starter: &self.probed_by,
            time_limit: PATIENCE,
        };
        let mut running = self.start_with(users, start, None).await.map_err(|error| error.to_string())?;
        let exit = running.process.wait().await.map_err(|error| error.to_string())?;
        if exit.code == Some(0) {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(stderr) = &mut running.stderr {
            _ = stderr.take(1024).read_to_string(&mut said).await;
        }
        Err(said.trim().to_owned())
    }
}

/// Serves nothing.
#[derive(Debug)]
struct Nothing;

impl Uplink for Nothing {
    fn addresses(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    fn serve(&self, _: Vec<TcpListener>) {}
}

/// `bubblewrap 0.8.0`, as it says itself, where that is new enough.
fn checked_version(said: &str) -> Result<String, String> {
    let mut numbers = said.strip_prefix("bubblewrap ").unwrap_or_default().split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(said.to_owned()),
        (Some(Ok(_)), Some(Ok(_))) => Err(format!("{said} is too old; install 0.8.0 or newer")),
        _ => Err(format!("it does not say which bubblewrap it is, but `{said}`; install the package `bubblewrap`")),
    }
}

/// What would help.
fn help(refusal: &str) -> &'static str {
    let words = ["namespace", "uid map", "Operation not permitted", "Permission denied", "No space left"];
    if words.iter().any(|word| refusal.contains(word)) {
        return "Allow user namespaces (`sysctl user.max_user_namespaces`, `kernel.apparmor_restrict_unprivileged_userns`, \
                in a container its seccomp profile), or choose another sandbox.";
    }
    "Choose another sandbox, or see what is different on this machine."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_too_old_or_none_at_all_is_refused() {
        for good in ["bubblewrap 0.8.0", "bubblewrap 0.11.2", "bubblewrap 1.0"] {
            assert_eq!(checked_version(good).as_deref(), Ok(good));
        }
        assert!(checked_version("bubblewrap 0.4.1").is_err_and(|why| why.contains("too old")));
        assert!(checked_version("").is_err_and(|why| why.contains("install")));
    }
}
