//! What stands between agents and the outside: the [`egress`] proxy, by which a run reaches the hosts that it may reach and
//! no others, and the [`rehearsal`] model, a scripted stand-in for a model vendor that lets the real agent programs do real
//! work without a key.

pub mod egress;

pub mod rehearsal;
