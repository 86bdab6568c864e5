//! Decides what runs when: claims jobs for free slots, keeps their leases, stops runs, and takes over runs whose worker
//! was lost.

mod beater;
mod lanes;
mod pruner;
mod rescuer;
mod run_slot;
mod scheduler_loop;

pub use beater::beat;
pub use lanes::{Lanes, Slot};
pub use pruner::prune;
pub use rescuer::{recover, rescue};
pub use scheduler_loop::{Command, Schedule, SchedulerHandle, schedule};
