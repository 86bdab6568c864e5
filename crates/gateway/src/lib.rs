//! What stands between agents and the outside: the [`egress`] proxy, by which a run reaches the hosts that it may reach and
//! no others, the [`model_proxy`], by which it reaches its models without the key that pays for them, and the [`rehearsal`]
//! model, a scripted stand-in for a model vendor that lets the real agent programs do real work without a key.

mod accept;
mod api_error;

pub mod egress;

pub mod model_proxy;

pub mod rehearsal;
