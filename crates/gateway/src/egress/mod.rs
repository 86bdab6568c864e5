//! The only way out for a run that may reach some hosts and no others.
//!
//! The sandbox of such a run has no route and no DNS; all it has is a listening socket inside its own network, whose other
//! side is here. A program in it asks by HTTP (`CONNECT`, or a plain request in absolute form) or SOCKS5 for a host, by name.
//! The name is judged before it is looked up, the addresses after; then exactly a judged address is dialled, and a TLS
//! connection has to name the same host in its first message. What is not understood is refused.
//!
//! A connection flows through the modules in this order. Making the sandbox and its socket, and handing the
//! [`Credential`] to the run, are not done here.

mod gate;
mod proxy;

mod forward;

mod http;
mod socks;

mod address;
mod dial;
mod policy;
mod resolver;

mod hello;
mod relay;
mod tunnel;

mod decision;
mod ledger;

mod limits;

pub use crate::accept::Guard;
pub use decision::{Decision, Reason, Verdict};
pub use forward::forward;
pub use ledger::Decisions;
pub use limits::Limits;
pub use policy::{Credential, Mode, Policy};
pub use proxy::Egress;
pub use resolver::{Resolver, Resolving, SystemResolver};
