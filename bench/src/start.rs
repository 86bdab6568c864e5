//! From the start of the process to the first time it says that it is ready.

use std::path::PathBuf;
use std::time::Duration;

use crate::args::Args;
use crate::contender::Contender;
use crate::error::BenchError;
use crate::report::Row;
use crate::samples::Samples;

/// Starts both in turn, each time with a new data folder: Legwork makes its database in that time.
pub(crate) async fn measure(args: &Args) -> Result<Row, BenchError> {
    let contenders = [Contender::legwork(args)?, Contender::peer(args)?];
    let scratch = args.folder()?;
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..args.starts {
        for (contender, samples) in contenders.iter().zip(&mut samples) {
            samples.push(start_once(contender, scratch.join(format!("{}-{round}", contender.name()))).await?);
        }
    }
    let medians = samples.map(|samples| samples.percentile(50));
    Ok(Row::milliseconds(format!("start to ready, median of {}", args.starts), medians).wanted("under 150 ms"))
}

async fn start_once(contender: &Contender, data: PathBuf) -> Result<Duration, BenchError> {
    let service = contender.start(data).await?;
    let ready_after = service.ready_after();
    service.stop().await?;
    Ok(ready_after)
}
