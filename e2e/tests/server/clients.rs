//! Clients of the contracts: ours in Rust and TypeScript, and programs in Node that know nothing of us.

mod node;
mod npm;
mod rust_over_http;
mod rust_over_redis;
mod typescript;
mod way;

const SECRET: &str = "a secret of the clients";
