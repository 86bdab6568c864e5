//! Puts on record what the proxy of a run decided.

use std::sync::Arc;

use legwork_gateway::egress::{Decision, Verdict};
use legwork_model::{EgressVerdict, EventBody, ExecutionId};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::RunUplink;

/// What goes on beside a run that has a way out of its own.
#[derive(Debug)]
pub(in crate::executor) struct Recording {
    uplink: Arc<RunUplink>,
    task: AbortOnDropHandle<()>,
}

impl Recording {
    /// Begins once the way out is open: there is nothing to record before.
    pub(in crate::executor) fn of(uplink: Arc<RunUplink>, id: ExecutionId, events: mpsc::Sender<EventBody>) -> Self {
        let open = Arc::clone(&uplink);
        let record = async move {
            let Some(mut decisions) = open.decisions().await else { return };
            while let Some(decision) = decisions.next().await {
                tracing::info!(
                    execution = %id, host = decision.host, port = decision.port, verdict = ?decision.verdict,
                    count = decision.count, "egress"
                );
                if events.send(event(decision)).await.is_err() {
                    return;
                }
            }
        };
        Self { uplink, task: AbortOnDropHandle::new(tokio::spawn(record)) }
    }

    /// Ends the way out, and records what was decided last.
    pub(in crate::executor) async fn finish(self) {
        self.uplink.close().await;
        // It can't panic.
        let _ = self.task.await;
    }
}

fn event(decision: Decision) -> EventBody {
    let (verdict, reason) = match decision.verdict {
        Verdict::Allowed => (EgressVerdict::Allowed, None),
        Verdict::Observed(reason) => (EgressVerdict::Observed, Some(reason)),
        Verdict::Denied(reason) => (EgressVerdict::Denied, Some(reason)),
    };
    EventBody::Egress {
        host: decision.host,
        port: decision.port,
        verdict,
        reason: reason.map(|reason| reason.as_str().to_owned()),
        count: decision.count,
        bytes_up: decision.bytes_up,
        bytes_down: decision.bytes_down,
    }
}
