//! Where the processes of a run live, and what they may use.

use legwork_model::{Container, Sandbox, SandboxKind};

use super::{ContainerFile, Fault, network, not_allowed};
use crate::config::{DockerSettings, SandboxSettings};

pub(super) fn settled(
    asked: Sandbox,
    file: &ContainerFile,
    policy: &SandboxSettings,
    faults: &mut Vec<Fault>,
) -> Sandbox {
    let kind = kind(asked.kind, file, policy);
    let (egress, allowed_domains) = network::settled(asked.egress, asked.allowed_domains, file, policy, faults);
    Sandbox {
        kind,
        memory: amount(asked.memory, file.memory, policy.memory, policy.most_memory),
        cpus: amount(asked.cpus, file.cpus, policy.cpus, policy.most_cpus),
        pids: pids(asked.pids, file.pids, policy),
        disk: amount(asked.disk, file.disk, policy.disk, policy.most_disk),
        egress: Some(egress),
        allowed_domains,
        container: container(kind, asked.container, file, &policy.docker, faults),
    }
}

/// A caller's own word counts first. A project that names an image wants a container, unless the operator has settled on something
/// else.
fn kind(asked: SandboxKind, file: &ContainerFile, policy: &SandboxSettings) -> SandboxKind {
    let wants_container = file.image.is_some() || file.setup.is_some();
    match (asked, policy.kind) {
        (SandboxKind::Auto, SandboxKind::Auto) if wants_container => SandboxKind::Docker,
        (SandboxKind::Auto, operators) => operators,
        (asked, _) => asked,
    }
}

/// The lower of what caller and project ask for, else the operator's default; never more than the most.
fn amount<T: Ord + Copy>(asked: Option<T>, file: Option<T>, default: Option<T>, most: Option<T>) -> Option<T> {
    lower(lower(asked, file).or(default), most)
}

/// The same where there is a most for everybody, but not for each a default.
fn pids(asked: Option<u32>, file: Option<u32>, policy: &SandboxSettings) -> Option<u32> {
    lower(asked, file).or(policy.pids).map(|pids| pids.min(policy.most_pids))
}

fn lower<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What is for containers alone is left out where it is certain that there will be none.
fn container(
    kind: SandboxKind,
    asked: Option<Container>,
    file: &ContainerFile,
    policy: &DockerSettings,
    faults: &mut Vec<Fault>,
) -> Option<Container> {
    let named = asked.is_some() || file.user.is_some() || file.read_only_root.is_some();
    match kind {
        SandboxKind::Process | SandboxKind::Bubblewrap => return None,
        SandboxKind::Auto if !named => return None,
        SandboxKind::Auto | SandboxKind::Docker => {}
    }
    let asked = asked.unwrap_or_default();
    // A project's script is for the image that the project names.
    let setup = if asked.image.is_none() { setup(file, policy, faults) } else { None };
    let projects = if asked.image.is_none() { image(file, policy, faults) } else { None };
    Some(Container {
        image: asked.image.or(projects).or_else(|| Some(policy.image.clone())),
        setup: asked.setup.or(setup),
        user: asked.user.or(file.user).or(Some(policy.user)),
        read_only_root: Some(read_only_root(asked.read_only_root, file, policy, faults)),
        workspace: asked.workspace,
        keep: asked.keep,
    })
}

fn image(file: &ContainerFile, policy: &DockerSettings, faults: &mut Vec<Fault>) -> Option<String> {
    let image = file.image.as_ref()?;
    if !policy.allows_image(&image.value) {
        let allowed = policy.allowed_images();
        not_allowed(faults, image, "baseImage", format!("`{}` is not allowed here; allowed: {allowed}", image.value));
    }
    Some(image.value.clone())
}

fn setup(file: &ContainerFile, policy: &DockerSettings, faults: &mut Vec<Fault>) -> Option<String> {
    let setup = file.setup.as_ref()?;
    if !policy.setup_allowed {
        let message = "is not allowed here; leave it out, or use an image that needs none".to_owned();
        not_allowed(faults, setup, "setup", message);
    }
    Some(setup.value.clone())
}

/// It can't be changed unless everybody who says something wants it so, and the operator lets them.
fn read_only_root(asked: Option<bool>, file: &ContainerFile, policy: &DockerSettings, faults: &mut Vec<Fault>) -> bool {
    if let Some(wanted) = file.read_only_root.filter(|wanted| !wanted.value && !policy.writable_root_allowed) {
        let message = "is false, which is not allowed here; leave it out or write true".to_owned();
        not_allowed(faults, &wanted, "security.readOnlyRoot", message);
    }
    let projects = file.read_only_root.map(|wanted| wanted.value);
    asked.max(projects).unwrap_or(true) || !policy.writable_root_allowed
}
