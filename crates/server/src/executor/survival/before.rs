//! What the next server process has to know of a run's earlier processes.

use legwork_model::Outcome;
use serde::{Deserialize, Serialize};

/// What came before the present process of a run. Of the first one: nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::executor) struct Before {
    /// What the processes before came to, as one; nothing where that does not count.
    pub(in crate::executor) outcome: Option<Outcome>,
    /// Bytes that they printed to their standard output.
    pub(in crate::executor) printed: u64,
    /// The number of the last event that was on record.
    pub(in crate::executor) last_seq: u64,
    /// The number of the last order that was heard.
    pub(in crate::executor) heard: u64,
    /// Messages that no process took.
    pub(in crate::executor) late: Vec<String>,
}
