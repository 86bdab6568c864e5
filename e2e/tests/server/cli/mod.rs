//! The commands as somebody at a terminal calls them.

mod agents;
mod config;
mod doctor;
mod executions;
mod key;
mod pipes;
mod run;
mod secret;
mod terminal;

pub(crate) use terminal::Terminal;
