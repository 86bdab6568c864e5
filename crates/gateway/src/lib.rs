//! What agents talk to instead of a model vendor: so far the [`rehearsal`] model, a scripted stand-in that lets the
//! real agent programs do real work without a key.

pub mod rehearsal;
