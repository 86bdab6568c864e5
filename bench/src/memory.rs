//! Resident memory of services that have nothing to do.

use std::time::Duration;

use crate::error::BenchError;
use crate::service::Service;

/// Runtimes give memory back, and collect garbage, some time after the last request.
const SETTLE: Duration = Duration::from_secs(3);

/// The resident memory of each service in kB, after some seconds without a request.
pub(crate) async fn settled<const N: usize>(services: &[Service; N]) -> Result<[u64; N], BenchError> {
    tokio::time::sleep(SETTLE).await;
    let mut resident = [0; N];
    for (service, resident) in services.iter().zip(&mut resident) {
        *resident = resident_kb(service.pid())?;
    }
    Ok(resident)
}

fn resident_kb(pid: Option<u32>) -> Result<u64, BenchError> {
    let pid = pid.ok_or_else(|| BenchError::Setup("a service left while it was measured".into()))?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    vm_rss(&status).ok_or_else(|| BenchError::Setup(format!("/proc/{pid}/status has no VmRSS")))
}

fn vm_rss(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_writes_it_so() {
        assert_eq!(vm_rss("Name:\tnode\nVmRSS:\t  114688 kB\nRssAnon:\t 1 kB\n"), Some(114_688));
        assert_eq!(vm_rss("Name:\tnode\n"), None);
    }
}
