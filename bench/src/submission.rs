//! How long it takes to hand in a job, with an empty database and with one that has kept many.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::args::Args;
use crate::contender::Contender;
use crate::error::BenchError;
use crate::http::{self, Connection};
use crate::report::Row;
use crate::samples::Samples;
use crate::seed;
use crate::service::Service;

const SUBMISSIONS: usize = 500;
/// Between two submissions, so that each meets a service that has done the last job.
const PAUSE: Duration = Duration::from_millis(10);

/// Submits to two servers in turn, one with an empty database and one with a big one.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let legwork = Contender::legwork(args)?;
    let scratch = args.folder()?;
    let big = scratch.join("big");
    run_one_job(&legwork, big.clone()).await?;
    eprintln!("filling a database with {} finished executions", args.seed);
    seed::fill(&big.join("legwork.db"), args.seed).await?;
    let services = [legwork.start(scratch.join("empty")).await?, legwork.start(big).await?];
    let [empty, full] = submit_in_turn(&services).await?;
    for service in services {
        service.stop().await?;
    }
    let row = |percent, name| {
        let times = [full.percentile(percent), empty.percentile(percent)];
        Row::compared(format!("submission ({name}), {} finished jobs against none", args.seed), times)
    };
    Ok(vec![row(50, "median").wanted("at most 1.5x"), row(99, "p99")])
}

/// Leaves one finished execution in the database, to be copied.
async fn run_one_job(legwork: &Contender, data: PathBuf) -> Result<(), BenchError> {
    let service = legwork.start(data).await?;
    Connection::open(service.address()).await?.call(&legwork.job(), StatusCode::OK).await?;
    service.stop().await
}

async fn submit_in_turn(services: &[Service; 2]) -> Result<[Samples; 2], BenchError> {
    let call = http::post("/v1/executions", &[], r#"{"prompt":"What is the answer?"}"#);
    let mut connections =
        [Connection::open(services[0].address()).await?, Connection::open(services[1].address()).await?];
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..SUBMISSIONS {
        for (connection, samples) in connections.iter_mut().zip(&mut samples) {
            let sent = Instant::now();
            connection.call(&call, StatusCode::ACCEPTED).await?;
            samples.push(sent.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(samples)
}
