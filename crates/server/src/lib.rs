//! The service behind the binary `legwork`, in the order a run flows through it:
//! `doors -> admission -> scheduler -> executor -> events`, then what all may use.

pub mod doors;

pub mod admission;

pub mod scheduler;

pub mod executor;

pub mod events;

pub mod store;

pub mod config;

pub mod service;

pub mod app;

pub mod alarm;

pub mod lifecycle;

pub mod parse;

pub mod project;

pub mod mcp;

pub mod mask;

pub mod secrets;

pub mod commands;
