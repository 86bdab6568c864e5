//! Throughput, latency and memory: both services are up all the time, and take turns in working.

use crate::args::{Args, WARM_UP};
use crate::contender::Contender;
use crate::error::BenchError;
use crate::load::{self, Load};
use crate::memory;
use crate::report::Row;
use crate::service::Service;

/// Measures both.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let contenders = [Contender::legwork(args)?, Contender::peer(args)?];
    let scratch = args.folder()?;
    let [legwork, peer] = contenders.each_ref().map(|contender| contender.start(scratch.join(contender.name())));
    let services = [legwork.await?, peer.await?];
    let idle = memory::settled(&services).await?;
    let [legwork, peer] = take_turns(args, args.callers, &contenders, &services).await?;
    let after = memory::settled(&services).await?;
    for service in services {
        service.stop().await?;
    }
    let mut rows = load::rows(&format!("{} callers", args.callers), "", [&legwork, &peer]);
    rows.push(Row::megabytes("memory when idle, after the start", idle).wanted("under 30 MB"));
    rows.push(Row::megabytes("memory when idle, after the load", after));
    Ok(rows)
}

/// Measures the same contract on both sides: `POST /execute`, signed.
pub(crate) async fn measure_door(args: &Args) -> Result<Vec<Row>, BenchError> {
    let contenders =
        [Contender::legwork_door(args)?, Contender::peer(args)?, Contender::keeping(args)?, Contender::bare(args)?];
    let scratch = args.folder()?;
    let services = contenders.each_ref().map(|contender| contender.start(scratch.join(contender.name())));
    let [legwork, peer, keeping, bare] = services;
    let services = [legwork.await?, peer.await?, keeping.await?, bare.await?];
    let mut rows = Vec::new();
    for callers in [1, 5, 20] {
        let [legwork, peer, keeping, bare] = take_turns(args, callers, &contenders, &services).await?;
        let what = format!("`POST /execute`, {callers} callers");
        rows.extend(load::rows(&what, "at most 0.5x", [&legwork, &peer]));
        for (instead, load) in [("bare worker that keeps its jobs", keeping), ("bare worker", bare)] {
            rows.extend(load::bounds(&format!("{what}, {instead} instead of Legwork"), [&load, &peer]));
        }
    }
    for service in services {
        service.stop().await?;
    }
    Ok(rows)
}

async fn take_turns<const N: usize>(
    args: &Args,
    callers: usize,
    contenders: &[Contender; N],
    services: &[Service; N],
) -> Result<[Load; N], BenchError> {
    for (contender, service) in contenders.iter().zip(services) {
        load::run(contender, service, callers, WARM_UP).await?;
    }
    let mut totals = std::array::from_fn(|_| Load::default());
    for round in 1..=args.rounds {
        for ((contender, service), total) in contenders.iter().zip(services).zip(&mut totals) {
            let load = load::run(contender, service, callers, args.seconds()).await?;
            eprintln!("round {round} of {}: {:7} {:6.0} jobs/s", args.rounds, contender.name(), load.per_second());
            total.add(load);
        }
    }
    Ok(totals)
}
