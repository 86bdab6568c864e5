//! Measures Legwork beside the worker that a team would write in Node instead, which keeps nothing. Both drive the same
//! agent that answers at once, take turns in one run on one machine, and get the same load from this program.

mod args;
mod bare_worker;
mod contender;
mod error;
mod events;
mod http;
mod ledger;
mod load;
mod machine;
mod memory;
mod real_agent;
mod redis_door;
mod report;
mod samples;
mod sandboxes;
mod seed;
mod service;
mod side_by_side;
mod start;
mod submission;

use clap::Parser;

use crate::args::{Args, Part};
use crate::error::BenchError;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let mut args = Args::parse();
    if let Some(port) = args.bare_worker {
        return bare_worker::serve(port, args.agent, contender::CONCURRENCY, args.keeps).await;
    }
    let _scratch = args.write_to_fresh_scratch()?;
    let mut rows = Vec::new();
    if args.wants(Part::Native) {
        rows.extend(side_by_side::measure(&args).await?);
    }
    if args.wants(Part::Execute) {
        rows.extend(side_by_side::measure_door(&args).await?);
    }
    if args.wants(Part::Redis) {
        rows.extend(redis_door::measure(&args).await?);
    }
    if args.wants(Part::Claude) {
        rows.extend(real_agent::measure(&args).await?);
    }
    if args.wants(Part::Sandboxes) {
        rows.extend(sandboxes::measure(&args).await?);
    }
    if args.wants(Part::Start) {
        rows.push(start::measure(&args).await?);
    }
    if args.wants(Part::Events) {
        rows.extend(events::measure(&args).await?);
    }
    if args.wants(Part::Submission) && args.seed > 0 {
        rows.extend(submission::measure(&args).await?);
    }
    let report = report::markdown(&machine::describe(), &rows);
    println!("{report}");
    if args.write {
        report::keep(&args.readme, &report)?;
    }
    Ok(())
}
