//! A run that only needs its container: everything is checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use legwork_agents::HttpServer;
use legwork_model::WorkspaceMount;
use tokio::task::spawn_blocking;

use super::belongings::{self, Belongings};
use super::labels;
use super::plan::{self, Mounted, Plan, Reach};
use super::{DockerError, DockerSettings, SeccompProfile};
use crate::bridge::Served;
use crate::cookie::Cookie;
use crate::sandbox::{Confinement, Network, Start, Uplink};

/// What a container is made of.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) cookie: Cookie,
    pub(super) name: String,
    pub(super) labels: HashMap<String, String>,
    confinement: Confinement,
    socket: PathBuf,
    workspace: PathBuf,
    copy: Option<PathBuf>,
    pub(super) uplink: Option<Arc<dyn Uplink>>,
    pub(super) stdin: Vec<u8>,
    pub(super) stdin_stays_open: bool,
    pub(super) http: Option<HttpServer>,
    pub(super) install_hint: String,
}

impl Prepared {
    /// Changes nothing yet.
    pub(super) fn new(start: Start<'_>, image: String, settings: &DockerSettings) -> Result<Self, DockerError> {
        let Start { launch, directory, cookie, install_hint, inherited, confinement, time_limit, .. } = start;
        if inherited.stdin.is_some() || inherited.secret.is_some() {
            return Err(DockerError::Refused("open files".to_owned()));
        }
        let uplink = match &confinement.network {
            Network::Machine => None,
            Network::Own(uplink) => Some(Arc::clone(uplink)),
        };
        let name = name_of(cookie);
        let workspace = plan::workspace(confinement, directory)?;
        let copy = copies(confinement)?.then(|| settings.copies.join(&name));
        let mounts = plan::mounts(confinement, workspace, copy.as_deref(), &settings.socket)?;
        let (argv, env) = plan::command(&launch)?;
        let user = belongings::user(confinement.container.user, workspace, settings.user);
        let user =
            user.map_err(|_| DockerError::Directory { directory: workspace.to_owned(), why: "it is not there" })?;
        let plan = Plan {
            image,
            user,
            mounts,
            mount_point: None,
            directory: directory.to_string_lossy().into_owned(),
            argv,
            env,
            read_only_root: confinement.container.read_only_root.unwrap_or(true),
            tmp_bytes: settings.tmp_bytes,
            resources: confinement.resources,
            network: reach(uplink.is_some(), settings),
            seccomp: settings.seccomp_profile.as_deref().map(SeccompProfile::read).transpose()?,
        };
        let until = settings.clock.now().as_millis().saturating_add(millis(time_limit));
        let labels = HashMap::from([
            (labels::SERVICE.to_owned(), "true".to_owned()),
            (labels::NODE.to_owned(), settings.node.clone()),
            (labels::RUN.to_owned(), cookie.to_string()),
            (labels::UNTIL.to_owned(), until.to_string()),
        ]);
        Ok(Self {
            plan,
            cookie: cookie.clone(),
            name,
            labels,
            confinement: confinement.clone(),
            socket: settings.socket.clone(),
            workspace: workspace.to_owned(),
            copy,
            uplink,
            stdin: launch.stdin.bytes,
            stdin_stays_open: launch.stdin.open_until_turn_ends,
            http: launch.http,
            install_hint: install_hint.to_owned(),
        })
    }

    /// What is between the program and its run, where it serves HTTP, and what it takes of the program.
    pub(super) fn served(&mut self) -> Option<Served> {
        let served = Served::new(self.http.take()?);
        let (variable, password) = served.password();
        self.plan.env.push(format!("{variable}={password}"));
        Some(served)
    }

    /// Looks which repositories there are now, and has them guarded.
    pub(super) fn guard(&mut self) -> Result<(), DockerError> {
        let directory = Path::new(&self.plan.directory);
        let guards = plan::guards(&self.confinement, &self.workspace, directory, &self.socket)?;
        let is_new = |guard: &Mounted| !self.plan.mounts.iter().any(|mounted| mounted.target == guard.target);
        let guards: Vec<_> = guards.into_iter().filter(is_new).collect();
        self.plan.mounts.extend(guards);
        Ok(())
    }

    /// Makes its directories as they have to be inside.
    pub(super) async fn belongings(&self) -> Result<Belongings, DockerError> {
        let (directories, workspace) = (self.confinement.writable.clone(), self.workspace.clone());
        let (user, copy) = (self.plan.user, self.copy.clone());
        let prepared = spawn_blocking(move || Belongings::prepare(directories, user, &workspace, copy)).await;
        prepared.map_err(std::io::Error::other).flatten().map_err(DockerError::Files)
    }
}

/// The name of a run's container, and of its copy of a workspace.
pub(super) fn name_of(cookie: &Cookie) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    format!("legwork-{}", cookie.as_str().chars().map(plain).collect::<String>())
}

/// A copy would be that of the first job.
fn copies(confinement: &Confinement) -> Result<bool, DockerError> {
    let container = &confinement.container;
    match (container.workspace, &container.keep) {
        (WorkspaceMount::Copy, Some(_)) => Err(DockerError::Refused("a copy of the workspace and be kept".to_owned())),
        (how, _) => Ok(how == WorkspaceMount::Copy),
    }
}

fn reach(is_own: bool, settings: &DockerSettings) -> Reach {
    if is_own {
        Reach::Nothing { has_ipv6: Path::new("/proc/sys/net/ipv6").exists() }
    } else {
        Reach::Named(settings.network.clone())
    }
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
