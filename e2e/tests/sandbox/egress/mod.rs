//! The one way out, attacked from inside: a sandbox with a network of its own whose only socket is the real egress proxy's. The
//! internet behind it is a few servers on loopback. What counts is what a program inside was answered, what the servers heard,
//! which names were looked up, and what the proxy wrote down.

mod internet;
mod world;

mod reaching;

mod addresses;
mod names;
mod ports;

mod fronting;
mod smuggling;
mod socks;

mod credential;
mod hanging;
mod list;

/// What holds in containers, too.
pub(crate) const IN_CONTAINERS: [&[crate::containers::Row]; 10] = [
    reaching::IN_CONTAINERS,
    addresses::IN_CONTAINERS,
    names::IN_CONTAINERS,
    ports::IN_CONTAINERS,
    fronting::IN_CONTAINERS,
    smuggling::IN_CONTAINERS,
    socks::IN_CONTAINERS,
    credential::IN_CONTAINERS,
    hanging::IN_CONTAINERS,
    list::IN_CONTAINERS,
];
