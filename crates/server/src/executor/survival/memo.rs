//! What a server process leaves with the supervisor about a run.

use std::path::PathBuf;
use std::time::Duration;

use legwork_model::Task;
use legwork_runner::supervisor::Keep;
use serde::{Deserialize, Serialize};

use super::Before;
use crate::executor::RunSecrets;

/// How much longer than its own limits a run may take before the supervisor ends it by itself.
const MARGIN: Duration = Duration::from_secs(60);
/// The same where people are waited for, who have deadlines elsewhere.
const CONVERSATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the next server process has to know to go on with a run. It is in the supervisor's memory alone.
#[derive(Serialize, Deserialize)]
pub(in crate::executor) struct Memo {
    /// What the program is to do.
    pub(in crate::executor) task: Task,
    /// What the run has of its own to authenticate with.
    pub(in crate::executor) secrets: RunSecrets,
    /// Where it works.
    pub(in crate::executor) workspace: PathBuf,
    /// Whether that was empty before.
    pub(in crate::executor) fresh: bool,
    /// Whether the program was started ahead of its job.
    pub(in crate::executor) waited: bool,
    /// What it authenticates with at its way out, where it has one.
    pub(in crate::executor) egress_token: Option<String>,
    /// Files that were placed for the run alone.
    pub(in crate::executor) placed: Vec<PathBuf>,
    /// What came before the process; a memo of an earlier version says nothing of it, and is of a first one.
    #[serde(default)]
    pub(in crate::executor) before: Before,
}

impl Memo {
    /// Keeps the run, for as long as its limits let it go on and no longer than `unattended` without a server.
    pub(in crate::executor) fn keep(&self, unattended: Duration) -> Keep {
        let margin = if self.task.is_conversation() { CONVERSATION } else { MARGIN };
        let hard_limit = Duration::from_secs(self.task.limits.timeout_seconds).saturating_add(margin);
        // Plain data always serialises.
        let memo = serde_json::to_vec(self).unwrap_or_default();
        Keep { memo, hard_limit, unattended }
    }

    /// Reads what [`keep`](Self::keep) wrote.
    pub(in crate::executor) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::{Outcome, Verdict};

    use super::*;

    #[test]
    fn what_came_before_is_handed_on_and_absent_in_memos_of_earlier_versions() {
        let outcome = Some(Outcome { duration_ms: 5, ..Outcome::without_run(Verdict::Succeeded) });
        let before = Before { outcome, printed: 3, last_seq: 9, heard: 2, late: vec!["more".into()] };
        let memo = Memo {
            task: Task::default(),
            secrets: RunSecrets::default(),
            workspace: "/work".into(),
            fresh: true,
            waited: false,
            egress_token: None,
            placed: Vec::new(),
            before: before.clone(),
        };
        let kept = memo.keep(Duration::from_secs(1)).memo;
        assert_eq!(Memo::read(&kept).expect("a memo").before, before);
        let mut earlier: serde_json::Value = serde_json::from_slice(&kept).expect("JSON");
        earlier.as_object_mut().expect("an object").remove("before");
        let earlier = serde_json::to_vec(&earlier).expect("JSON");
        assert_eq!(Memo::read(&earlier).expect("a memo").before, Before::default());
    }
}
