//! Finds every process of a run and ends it.
//!
//! Agents start their tools in sessions of their own, so signalling a process group misses them. What holds instead:
//! this process is the *child subreaper*, so whatever loses its parent becomes its child, not init's; and each run's
//! environment carries a [cookie](crate::Cookie), so that such an orphan can be told to belong to a run. The processes
//! of a run are the descendants of its main process, those with its cookie, and the descendants of those. An orphan
//! that has cleared its environment belongs to no run that could be named: it is ended when every run that was alive
//! when it was started has ended.
//!
//! What a process does to get away on purpose (have another daemon start a program, for instance) is not found here;
//! that takes a sandbox with its own pid namespace.

mod ended;
mod orphans;
mod proc_fs;
mod registry;
mod sweep;
mod tree;

pub(crate) use ended::{ended, watched};
pub(crate) use proc_fs::{children, descendants};
pub(crate) use registry::{Live, Registry, exit_of};
pub use sweep::Leftover;
pub(crate) use tree::Tree;
