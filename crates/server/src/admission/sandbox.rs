//! What a caller may ask for of a sandbox. More than the operator allows is refused, so that nobody takes what they get for what they asked
//! for.

use std::fmt::Display;

use legwork_model::{Container, Egress, Sandbox, SandboxKind};

use super::refusal::Refusal;
use crate::config::{DockerSettings, SandboxSettings, reach};
use crate::parse::{domain, image};
use crate::project::container_file::{MOST_DOMAINS, MOST_USER, name, setup};

/// The sandbox as it was asked for, where all of it may be. Who asks for a container gets one.
pub(super) fn asked(mut sandbox: Sandbox, policy: &SandboxSettings) -> Result<Sandbox, Refusal> {
    kind(&sandbox, policy)?;
    amount("sandbox.memory", sandbox.memory, policy.most_memory)?;
    amount("sandbox.cpus", sandbox.cpus, policy.most_cpus)?;
    amount("sandbox.disk", sandbox.disk, policy.most_disk)?;
    amount("sandbox.pids", sandbox.pids, Some(policy.most_pids))?;
    if sandbox.pids == Some(0) {
        return Err(Refusal::invalid("sandbox.pids", "invalid_limit", "is 0, which would let nothing run"));
    }
    egress(&sandbox, policy)?;
    for (at, pattern) in sandbox.allowed_domains.iter_mut().flatten().enumerate() {
        *pattern = allowed_domain(&format!("sandbox.allowedDomains[{at}]"), pattern, policy)?;
    }
    if let Some(wanted) = &sandbox.container {
        container(wanted, &policy.docker)?;
        sandbox.kind = SandboxKind::Docker;
    }
    Ok(sandbox)
}

fn kind(sandbox: &Sandbox, policy: &SandboxSettings) -> Result<(), Refusal> {
    let (asked, weakest) = (sandbox.kind, policy.weakest());
    if asked != SandboxKind::Auto && asked != policy.kind && asked < weakest {
        let message = format!(
            "`{}` is weaker than what this server lets jobs ask for; ask for `{}`, or leave it out",
            asked.as_str(),
            weakest.as_str()
        );
        return Err(Refusal::invalid("sandbox.kind", "sandbox_too_weak", message));
    }
    if sandbox.container.is_some() && !matches!(asked, SandboxKind::Auto | SandboxKind::Docker) {
        let message = format!("is for the kind `docker`, and `{}` is asked for", asked.as_str());
        return Err(Refusal::invalid("sandbox.container", "invalid_value", message));
    }
    Ok(())
}

fn amount<T: Ord + Display>(field: &str, asked: Option<T>, most: Option<T>) -> Result<(), Refusal> {
    match (asked, most) {
        (Some(asked), Some(most)) if asked > most => {
            Err(Refusal::invalid(field, "invalid_limit", format!("is {asked}; at most {most} can be asked for")))
        }
        _ => Ok(()),
    }
}

fn egress(sandbox: &Sandbox, policy: &SandboxSettings) -> Result<(), Refusal> {
    let domains = sandbox.allowed_domains.as_deref();
    if domains.is_some_and(|domains| domains.len() > MOST_DOMAINS) {
        let message = format!("has more than {MOST_DOMAINS} entries");
        return Err(Refusal::invalid("sandbox.allowedDomains", "invalid_value", message));
    }
    let Some(asked) = sandbox.egress else { return Ok(()) };
    if reach(asked) > reach(policy.most_egress()) {
        let message = "reaches more than this server lets jobs reach; ask for less, or leave it out";
        return Err(Refusal::invalid("sandbox.egress", "egress_not_allowed", message));
    }
    if domains.is_some() && matches!(asked, Egress::Public | Egress::Open) {
        let message =
            "reaches more than `allowedDomains` lists; write `enforce` or `observe`, or leave one of them out";
        return Err(Refusal::invalid("sandbox.egress", "invalid_value", message));
    }
    Ok(())
}

fn allowed_domain(field: &str, pattern: &str, policy: &SandboxSettings) -> Result<String, Refusal> {
    let pattern = domain(pattern).map_err(|problem| Refusal::invalid(field, "invalid_domain", problem))?;
    if policy.may_reach(&pattern) {
        return Ok(pattern);
    }
    let message = format!("is not allowed here; allowed: {}", policy.allowed_domains.join(", "));
    Err(Refusal::invalid(field, "domain_not_allowed", message))
}

fn container(wanted: &Container, policy: &DockerSettings) -> Result<(), Refusal> {
    let invalid = |field: &str, code, message: &str| {
        Err(Refusal::invalid(format!("sandbox.container.{field}"), code, message.to_owned()))
    };
    if let Some(named) = &wanted.image {
        if let Err(problem) = image(named) {
            return invalid("image", "invalid_image", &problem);
        }
        if !policy.allows_image(named) {
            let message = format!("is not allowed here; allowed: {}", policy.allowed_images());
            return invalid("image", "image_not_allowed", &message);
        }
    }
    if wanted.setup.is_some() && !policy.setup_allowed {
        return invalid("setup", "setup_not_allowed", "is not allowed here; use an image that needs none");
    }
    if let Some(Err(problem)) = wanted.setup.as_deref().map(setup) {
        return invalid("setup", "invalid_value", &problem);
    }
    if wanted.user == Some(0) {
        return invalid("user", "invalid_value", "is 0, which is root; take the id of another user, such as 1000");
    }
    if wanted.user.is_some_and(|user| user > MOST_USER) {
        return invalid("user", "invalid_value", "is no id that a user can have");
    }
    if wanted.read_only_root == Some(false) && !policy.writable_root_allowed {
        return invalid(
            "readOnlyRoot",
            "writable_root_not_allowed",
            "is false, which is not allowed here; leave it out",
        );
    }
    match wanted.keep.as_deref().map(name) {
        Some(Err(problem)) => invalid("keep", "invalid_value", &problem),
        _ => Ok(()),
    }
}
