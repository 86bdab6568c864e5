//! Where the processes of runs live: what runs get that name nothing, and the most that anybody may ask for.

use std::path::PathBuf;

use ipnet::IpNet;
use legwork_model::{ByteSize, Cpus, Egress, SandboxKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::docker::DockerSettings;
use crate::parse::{covers, domain};

/// `[sandbox]`: what a run gets that names nothing, and the most that callers and the container files of projects may ask for.
/// Sizes are written like `2Gi`, processors like `1.5` or `500m`. Where only the most is given, it is the default, too.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    /// The kind of sandbox: `auto` (the strongest that works), `process`, `bubblewrap` or `docker`.
    #[schemars(with = "String", extend("enum" = ["auto", "process", "bubblewrap", "docker"]))]
    pub kind: SandboxKind,
    /// The weakest kind that callers may ask for by name. Where absent it is `kind`, and `bubblewrap` where that is `auto`.
    #[schemars(with = "Option<String>", extend("enum" = ["process", "bubblewrap", "docker", null]))]
    pub weakest: Option<SandboxKind>,
    /// Memory of all processes of a run together; unlimited where absent.
    #[schemars(with = "Option<String>")]
    pub memory: Option<ByteSize>,
    /// Processors; unlimited where absent.
    #[schemars(with = "Option<String>")]
    pub cpus: Option<Cpus>,
    /// Processes and threads at once. Where absent 2048 in a sandbox, where the machine lets that be enforced, and no limit for a
    /// plain process.
    pub pids: Option<u32>,
    /// What a run's home and workspace may take on the disk; unlimited where absent.
    #[schemars(with = "Option<String>")]
    pub disk: Option<ByteSize>,
    /// The most memory that may be asked for.
    #[schemars(with = "Option<String>")]
    pub most_memory: Option<ByteSize>,
    /// The most processors that may be asked for.
    #[schemars(with = "Option<String>")]
    pub most_cpus: Option<Cpus>,
    /// The most processes and threads that may be asked for.
    pub most_pids: u32,
    /// The most disk that may be asked for.
    #[schemars(with = "Option<String>")]
    pub most_disk: Option<ByteSize>,
    /// What runs may reach: `enforce` (the hosts of `allowed_domains` only), `observe` (every public host, and the others are told
    /// of), `public` (every public host), or `open` (what the machine reaches, its own network included).
    #[schemars(with = "String", extend("enum" = ["enforce", "observe", "public", "open"]))]
    pub egress: Egress,
    /// The most that may be asked for; `egress` where absent. Under `enforce`, what is asked for has to be among `allowed_domains`.
    #[schemars(with = "Option<String>", extend("enum" = ["enforce", "observe", "public", "open", null]))]
    pub most_egress: Option<Egress>,
    /// The hosts for runs that name none, each exact or as `*.suffix`.
    pub allowed_domains: Vec<String>,
    /// Networks of one's own, like `10.1.0.0/16`, that runs reach by the names of their hosts; other private addresses are never
    /// reached.
    #[schemars(with = "Vec<String>")]
    pub private_networks: Vec<IpNet>,
    /// Absolute paths that every sandbox may read, beside what its programs need.
    pub readable: Vec<PathBuf>,
    /// Containers.
    pub docker: DockerSettings,
    /// Namespaces made by bubblewrap.
    pub bubblewrap: BubblewrapSettings,
}

/// `[sandbox.bubblewrap]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BubblewrapSettings {
    /// Its program: a name in `PATH`, or an absolute path.
    pub program: PathBuf,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            kind: SandboxKind::Auto,
            weakest: None,
            memory: None,
            cpus: None,
            pids: None,
            disk: None,
            most_memory: None,
            most_cpus: None,
            most_pids: 32_768,
            most_disk: None,
            egress: Egress::Public,
            most_egress: None,
            allowed_domains: Vec::new(),
            private_networks: Vec::new(),
            readable: Vec::new(),
            docker: DockerSettings::default(),
            bubblewrap: BubblewrapSettings::default(),
        }
    }
}

impl Default for BubblewrapSettings {
    fn default() -> Self {
        Self { program: "bwrap".into() }
    }
}

impl SandboxSettings {
    /// The weakest kind that may be asked for by name.
    pub fn weakest(&self) -> SandboxKind {
        match (self.weakest, self.kind) {
            (Some(weakest), _) => weakest,
            (None, SandboxKind::Auto) => SandboxKind::Bubblewrap,
            (None, kind) => kind,
        }
    }

    /// The most that may be reached.
    pub fn most_egress(&self) -> Egress {
        self.most_egress.unwrap_or(self.egress)
    }

    /// Whether a run may reach the hosts that `pattern` stands for.
    pub fn may_reach(&self, pattern: &str) -> bool {
        self.most_egress() != Egress::Enforce || self.allowed_domains.iter().any(|allowed| covers(allowed, pattern))
    }

    /// The first setting that makes no sense, and why.
    pub(super) fn problem(&self) -> Option<(String, String)> {
        let more = |setting: &str| Some((setting.to_owned(), format!("is more than `sandbox.most_{}`", &setting[8..])));
        if self.weakest == Some(SandboxKind::Auto) {
            return Some(("sandbox.weakest".into(), "must be `process`, `bubblewrap` or `docker`".into()));
        }
        if exceeds(self.memory, self.most_memory) {
            return more("sandbox.memory");
        }
        if exceeds(self.cpus, self.most_cpus) {
            return more("sandbox.cpus");
        }
        if exceeds(self.disk, self.most_disk) {
            return more("sandbox.disk");
        }
        if self.pids == Some(0) {
            return Some(("sandbox.pids".into(), "must be at least 1".into()));
        }
        if exceeds(self.pids, Some(self.most_pids)) {
            return more("sandbox.pids");
        }
        if reach(self.egress) > reach(self.most_egress()) {
            return more("sandbox.egress");
        }
        self.problem_of_lists().or_else(|| self.docker.problem())
    }

    fn problem_of_lists(&self) -> Option<(String, String)> {
        for (at, pattern) in self.allowed_domains.iter().enumerate() {
            let problem = match domain(pattern) {
                Ok(one) if one == *pattern => continue,
                Ok(one) => format!("has another spelling; write `{one}`"),
                Err(problem) => problem,
            };
            return Some((format!("sandbox.allowed_domains[{at}]"), format!("`{pattern}` {problem}")));
        }
        let relative = self.readable.iter().position(|path| !path.is_absolute())?;
        Some((format!("sandbox.readable[{relative}]"), "must be an absolute path".into()))
    }
}

fn exceeds<T: Ord>(default: Option<T>, most: Option<T>) -> bool {
    matches!((default, most), (Some(default), Some(most)) if default > most)
}

/// How far it reaches: each reaches what those before it do. `observe` comes before `public`, which tells of nothing.
pub const fn reach(egress: Egress) -> u8 {
    match egress {
        Egress::Enforce => 0,
        Egress::Observe => 1,
        Egress::Public => 2,
        Egress::Open => 3,
    }
}
