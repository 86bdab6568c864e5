//! The supervisor: a small process that is the parent of a server's agents, so that they outlive the server.
//!
//! It starts programs, keeps what they print, and ends them; it knows nothing of jobs. For each run it has one connection
//! to its server. When that breaks off, as by `kill -9` or an upgrade, a run that was to be kept goes on, up to
//! its deadline, and the next server takes it up where it likes: everything the program printed is told again from the
//! beginning, with what the program was told meanwhile ([`Note`]).
//!
//! One process for all runs of a server, as a process of this binary costs more to start than most programs that it would
//! watch over.

mod foreign;
mod frame;
mod gate;
mod lead;
mod link;
mod log;
mod message;
mod serve;
mod teller;
mod ward;
mod wire;

pub use lead::Supervisor;
pub(crate) use message::History;
pub use message::{Keep, Note};
pub use serve::supervise;

pub use link::Hold;
pub(crate) use link::{Found, HandedOver, Link};
pub(crate) use wire::Speaker;
