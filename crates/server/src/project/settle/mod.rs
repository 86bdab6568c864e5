//! What a job gets in the end: what its caller asked for and what its project asks for, each within what the operator allows.
//!
//! Of two limits the lower one holds, and of two rules the tighter one. Where a project asks for more than it may have of
//! something that there is less of, it gets what it may have; where it asks for what would loosen a rule, the job is refused. To
//! settle a job twice changes nothing.

mod network;
mod sandbox;
mod tools;

use std::path::Path;

use legwork_model::{FailureReason, Task, Verdict};

use super::container_file::{ContainerFile, ContainerFileError, Fault, Faults, Placed, Problem};
use crate::config::Config;

/// Brings a job and the container file of its project under the operator's policy, and fills in what neither names.
///
/// # Errors
/// What of the file the operator does not allow.
pub fn settle(mut task: Task, file: Option<&ContainerFile>, config: &Config) -> Result<Task, Faults> {
    let nothing = ContainerFile::default();
    let file = file.unwrap_or(&nothing);
    let mut faults = Vec::new();
    task.sandbox = sandbox::settled(task.sandbox, file, &config.sandbox, &mut faults);
    tools::narrow(&mut task.tools, file.tools.as_deref());
    tools::add_servers(&mut task, file, config, &mut faults);
    if let Some(timeout) = file.timeout {
        let seconds = timeout.as_millis().div_ceil(1_000);
        task.limits.timeout_seconds = task.limits.timeout_seconds.min(u64::try_from(seconds).unwrap_or(u64::MAX));
    }
    faults.sort_by_key(|fault: &Fault| fault.place);
    if faults.is_empty() { Ok(task) } else { Err(Faults(faults)) }
}

/// The same with the container file of the project in `workspace`, if it has one.
///
/// # Errors
/// Where the file can't be read, is wrong, or asks for what the operator does not allow.
pub fn settle_in(task: Task, workspace: &Path, config: &Config) -> Result<Task, ContainerFileError> {
    let file = ContainerFile::of(workspace)?;
    Ok(settle(task, file.as_ref(), config)?)
}

/// The same for a run that is about to begin, with the project that is in its workspace, if anything is: admission has not
/// seen the file of one that had to be cloned first.
///
/// # Errors
/// `refused_by_policy`, with what is wrong with the file.
pub fn settle_or_refuse(task: Task, project: Option<&Path>, config: &Config) -> Result<Task, Verdict> {
    let settled = match project {
        Some(workspace) => settle_in(task, workspace, config),
        None => settle(task, None, config).map_err(ContainerFileError::from),
    };
    settled.map_err(|error| Verdict::failed(FailureReason::RefusedByPolicy, error.to_string()))
}

/// Notes that the operator does not let a project have what it asks for.
fn not_allowed<T>(faults: &mut Vec<Fault>, at: &Placed<T>, key: &str, message: String) {
    faults.push(Fault { place: at.place, key: key.to_owned(), problem: Problem::NotAllowed(message) });
}

#[cfg(test)]
mod tests;
