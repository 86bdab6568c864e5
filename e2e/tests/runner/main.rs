//! Runs of a scripted agent, each with real processes: whatever an agent does, its run ends, with its reason, and
//! nothing of it is left.
//!
//! Each test wants a process of its own, as nextest gives it: a process without a mark lives on while any older run
//! of the same runner does.

#![cfg(test)]

mod lab;

mod deadlines;
mod input;
mod leftovers;
mod output;
mod processes;
mod start;
mod stopping;
mod survivors;
