//! A closed loop of callers: each sends its next job when the last one is answered.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::contender::Contender;
use crate::error::BenchError;
use crate::http::{Connection, unexpected};
use crate::report::Row;
use crate::samples::Samples;
use crate::service::Service;

/// What came of one or more turns.
#[derive(Debug, Default)]
pub(crate) struct Load {
    latencies: Samples,
    duration: Duration,
}

impl Load {
    /// Adds another turn.
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.add(other.latencies);
        self.duration += other.duration;
    }

    /// Jobs done in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.duration.as_secs_f64()
    }
}

/// Has `callers` send jobs for `duration`.
pub(crate) async fn run(
    contender: &Contender,
    service: &Service,
    callers: usize,
    duration: Duration,
) -> Result<Load, BenchError> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let connection = Connection::open(service.address()).await?;
        tasks.spawn(caller(contender.clone(), connection, started + duration));
    }
    let mut load = Load::default();
    while let Some(joined) = tasks.join_next().await {
        load.latencies.add(joined.map_err(std::io::Error::other)??);
    }
    load.duration = started.elapsed();
    Ok(load)
}

/// A job that does not succeed ends the measurement: failing fast must not look like speed.
async fn caller(contender: Contender, mut connection: Connection, until: Instant) -> Result<Samples, BenchError> {
    let mut latencies = Samples::default();
    while Instant::now() < until {
        let job = contender.job();
        let sent = Instant::now();
        let answer = connection.call(&job, StatusCode::OK).await?;
        latencies.push(sent.elapsed());
        if !contender.succeeded(&answer) {
            return Err(unexpected(&job, StatusCode::OK, &answer));
        }
    }
    Ok(latencies)
}

/// The table's rows about load; `p99`: what is wanted of it.
pub(crate) fn rows(what: &str, p99: &'static str, loads: [&Load; 2]) -> Vec<Row> {
    let wanted = ["at least 2x", "at most 0.5x", p99];
    bounds(what, loads).into_iter().zip(wanted).map(|(row, wanted)| row.wanted(wanted)).collect()
}

/// The same of a worker of which nothing is wanted.
pub(crate) fn bounds(what: &str, loads: [&Load; 2]) -> [Row; 3] {
    let latency = |percent| loads.map(|load| load.latencies.percentile(percent));
    [
        Row::per_second(format!("{what}: jobs a second"), loads.map(Load::per_second)),
        Row::milliseconds(format!("{what}: latency, median"), latency(50)),
        Row::milliseconds(format!("{what}: latency, p99"), latency(99)),
    ]
}
