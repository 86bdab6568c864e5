//! What a project says about the runs in it, and how much of that the operator lets it have. What is read here anybody can have
//! written who can propose a change to the project: it can ask for less, and for what the operator allows.

pub mod container_file;
mod settle;

pub use container_file::{ContainerFile, ContainerFileError};
pub use settle::{settle, settle_in, settle_or_refuse};
