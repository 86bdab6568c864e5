//! Sockets inside a container without a route, opened from outside.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::network::RunNetwork;
use crate::sandbox::Uplink;

/// A container's loopback interface is there when its first process is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens what the uplink wants in the network of the process `pid`, and has it served; gives that network.
pub(super) async fn open(pid: u32, uplink: &Arc<dyn Uplink>) -> io::Result<RunNetwork> {
    let of = |process: &str| Ok::<_, io::Error>(std::fs::metadata(format!("/proc/{process}/ns/net"))?.ino());
    if of(&pid.to_string())? == of("self")? {
        return Err(io::Error::other("it is the machine's own"));
    }
    let network = RunNetwork::of(i32::try_from(pid).map_err(io::Error::other)?)?;
    uplink.serve(network.listen(uplink.addresses(), Instant::now() + PATIENCE).await?);
    Ok(network)
}
