//! Containers that runs live in.

use std::path::PathBuf;
use std::time::Duration;

use legwork_runner::SeccompProfile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;
use crate::parse::{image, image_fits, image_pattern};

/// `[sandbox.docker]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DockerSettings {
    /// The socket of a Docker or Podman engine.
    pub socket: PathBuf,
    /// The image of containers that name none.
    pub image: String,
    /// Further images that may be asked for, each by its name as it is asked for, or all of a folder of a registry as
    /// `ghcr.io/acme/*`.
    pub images: Vec<String>,
    /// The id of the user that processes run as; never 0.
    pub user: u32,
    /// A JSON file with a filter of system calls as Docker has them, which takes the place of the engine's own in the containers of
    /// runs. Nobody else can set it.
    pub seccomp_profile: Option<PathBuf>,
    /// How long a container that is kept for further jobs runs without one, such as `10m`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub sleep_after: Duration,
    /// Whether a script may be run on an image before its first use. It is not under the rules for what a run may reach.
    pub setup_allowed: bool,
    /// Whether a container may be asked for whose own files can be changed.
    pub writable_root_allowed: bool,
}

impl Default for DockerSettings {
    fn default() -> Self {
        Self {
            socket: "/var/run/docker.sock".into(),
            image: "legwork-agents:latest".into(),
            images: Vec::new(),
            user: 1000,
            seccomp_profile: None,
            sleep_after: Duration::from_secs(600),
            setup_allowed: false,
            writable_root_allowed: false,
        }
    }
}

impl DockerSettings {
    /// Whether that image may be used.
    pub fn allows_image(&self, image: &str) -> bool {
        image == self.image || self.images.iter().any(|pattern| image_fits(pattern, image))
    }

    /// The images that may be used, as one says it.
    pub fn allowed_images(&self) -> String {
        let all: Vec<&str> = std::iter::once(&self.image).chain(&self.images).map(String::as_str).collect();
        all.join(", ")
    }

    /// The first setting that makes no sense, and why.
    pub(super) fn problem(&self) -> Option<(String, String)> {
        if let Err(problem) = image(&self.image) {
            return Some(("sandbox.docker.image".into(), format!("`{}` {problem}", self.image)));
        }
        for (at, pattern) in self.images.iter().enumerate() {
            if let Err(problem) = image_pattern(pattern) {
                return Some((format!("sandbox.docker.images[{at}]"), format!("`{pattern}` {problem}")));
            }
        }
        if let Some(Err(problem)) = self.seccomp_profile.as_deref().map(SeccompProfile::read) {
            return Some(("sandbox.docker.seccomp_profile".into(), problem.to_string()));
        }
        let root =
            || ("sandbox.docker.user".into(), "must not be 0, which is root; take another id, such as 1000".into());
        (self.user == 0).then(root)
    }
}
