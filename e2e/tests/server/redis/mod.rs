//! Requests by Redis, with a real one.

mod faults;
mod lab;
mod malformed;
mod requests;

pub(crate) use lab::Redis;
