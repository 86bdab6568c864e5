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
    let loads = take_turns(args, args.callers, &contenders, &services).await?;
    let after = memory::settled(&services).await?;
    for service in services {
        service.stop().await?;
    }
    let mut rows = load::rows(&format!("{} callers", args.callers), "", &loads);
    rows.push(Row::megabytes("memory when idle, after the start", idle).wanted("under 30 MB"));
    rows.push(Row::megabytes("memory when idle, after the load", after));
    Ok(rows)
}

/// Measures the same contract on both sides: `POST /execute`, signed.
pub(crate) async fn measure_door(args: &Args) -> Result<Vec<Row>, BenchError> {
    let contenders = [Contender::legwork_door(args)?, Contender::peer(args)?];
    let scratch = args.folder()?;
    let [legwork, peer] = contenders.each_ref().map(|contender| contender.start(scratch.join(contender.name())));
    let services = [legwork.await?, peer.await?];
    let mut rows = Vec::new();
    for callers in [1, 5, 20] {
        let loads = take_turns(args, callers, &contenders, &services).await?;
        rows.extend(load::rows(&format!("`POST /execute`, {callers} callers"), "at most 0.5x", &loads));
    }
    for service in services {
        service.stop().await?;
    }
    Ok(rows)
}

async fn take_turns(
    args: &Args,
    callers: usize,
    contenders: &[Contender; 2],
    services: &[Service; 2],
) -> Result<[Load; 2], BenchError> {
    for (contender, service) in contenders.iter().zip(services) {
        load::run(contender, service, callers, WARM_UP).await?;
    }
    let mut totals = [Load::default(), Load::default()];
    for round in 1..=args.rounds {
        for ((contender, service), total) in contenders.iter().zip(services).zip(&mut totals) {
            let load = load::run(contender, service, callers, args.seconds()).await?;
            eprintln!("round {round} of {}: {:7} {:6.0} jobs/s", args.rounds, contender.name(), load.per_second());
            total.add(load);
        }
    }
    Ok(totals)
}
