//! What a run may reach.

use legwork_model::Egress;

use super::{ContainerFile, Fault, Placed, not_allowed};
use crate::config::{SandboxSettings, reach};
use crate::parse::covers;
use crate::project::container_file::Network;

/// How far a run may reach, and the list that goes with it.
pub(super) fn settled(
    asked: Option<Egress>,
    asked_domains: Option<Vec<String>>,
    file: &ContainerFile,
    policy: &SandboxSettings,
    faults: &mut Vec<Fault>,
) -> (Egress, Option<Vec<String>>) {
    let asked = asked.or_else(|| asked_domains.as_ref().map(|_| Egress::Enforce));
    let (wanted, listed) = of_project(file, policy, faults);
    let tightest = [asked, wanted].into_iter().flatten().min_by_key(|egress| reach(*egress));
    let egress = tighter(tightest.unwrap_or(policy.egress), policy.most_egress());
    // Who asks for a list and names none means the operator's.
    let operators = || policy.allowed_domains.clone();
    let asked_domains = asked_domains.or_else(|| (asked == Some(Egress::Enforce)).then(operators));
    let domains = match (asked_domains, listed) {
        (Some(asked), Some(listed)) => Some(in_both(&asked, &listed)),
        (Some(domains), None) | (None, Some(domains)) => Some(domains),
        (None, None) => matches!(egress, Egress::Enforce | Egress::Observe).then(operators),
    };
    // What was admitted earlier may be more than is allowed now.
    let within = |domains: Vec<String>| domains.into_iter().filter(|domain| policy.may_reach(domain)).collect();
    (egress, domains.map(within))
}

/// What the project asks for: how far, and a list. Without any network it is an empty one.
fn of_project(
    file: &ContainerFile,
    policy: &SandboxSettings,
    faults: &mut Vec<Fault>,
) -> (Option<Egress>, Option<Vec<String>>) {
    if let Some(domains) = &file.allowed_domains {
        let domains = domains.iter().enumerate().map(|(at, domain)| listed(at, domain, policy, faults));
        return (Some(Egress::Enforce), Some(domains.collect()));
    }
    match file.network {
        Some(Placed { value: Network::None, .. }) => (Some(Egress::Enforce), Some(Vec::new())),
        Some(bridge) => {
            if policy.most_egress() == Egress::Enforce {
                let message =
                    "`bridge` is not allowed here: runs reach listed hosts only; write `allowedDomains` instead";
                not_allowed(faults, &bridge, "security.networkMode", message.to_owned());
            }
            (Some(Egress::Public), None)
        }
        None => (None, None),
    }
}

fn listed(at: usize, domain: &Placed<String>, policy: &SandboxSettings, faults: &mut Vec<Fault>) -> String {
    if !policy.may_reach(&domain.value) {
        let allowed = policy.allowed_domains.join(", ");
        let message = format!("`{}` is not allowed here; allowed: {allowed}", domain.value);
        not_allowed(faults, domain, &format!("security.allowedDomains[{at}]"), message);
    }
    domain.value.clone()
}

fn tighter(one: Egress, other: Egress) -> Egress {
    if reach(one) <= reach(other) { one } else { other }
}

/// The hosts that both lists stand for.
fn in_both(one: &[String], other: &[String]) -> Vec<String> {
    let within = |inner: &&String, outer: &[String]| outer.iter().any(|pattern| covers(pattern, inner));
    let mut both: Vec<String> = one.iter().filter(|inner| within(inner, other)).cloned().collect();
    let narrower = other.iter().filter(|inner| within(inner, one) && !one.contains(inner)).cloned();
    both.extend(narrower);
    both
}
