//! Which kinds of sandbox work on this machine.

use std::sync::OnceLock;

use legwork_model::{Egress, FailureReason, SandboxKind, Verdict};
use legwork_runner::Runner;
use tokio::sync::OnceCell;

use crate::config::SandboxSettings;
use crate::executor::find_program;

/// Processes and threads of a run in a sandbox, unless somebody says otherwise: far more than builds and browsers take, and
/// few enough for the machine.
const USUAL_PIDS: u32 = 2048;

/// What was found out about each kind.
#[derive(Debug, Default)]
pub struct Kinds {
    found: OnceCell<Vec<Found>>,
    limits_processes: OnceLock<bool>,
}

/// One kind, and what it is made of here or why it does not work.
type Found = (SandboxKind, Result<String, String>);

impl Kinds {
    /// The kind for a run that asks for one, and what it may reach in that. A plain process can't be kept from anything: to
    /// let it reach every public host is to let it reach whatever the machine does.
    pub(super) async fn choose(
        &self,
        runner: &Runner,
        asked: SandboxKind,
        egress: Egress,
    ) -> Result<(SandboxKind, Egress), Verdict> {
        if asked == SandboxKind::Process && matches!(egress, Egress::Public | Egress::Open) {
            return Ok((SandboxKind::Process, Egress::Open));
        }
        choose(self.found(runner).await, asked, egress)
    }

    /// The limit on processes of runs that name none.
    pub(super) fn usual_pids(&self, runner: &Runner, kind: SandboxKind) -> Option<u32> {
        let limits = || *self.limits_processes.get_or_init(|| runner.limits_processes());
        (kind != SandboxKind::Process && limits()).then_some(USUAL_PIDS)
    }

    /// What was found out, the strongest first.
    pub async fn found(&self, runner: &Runner) -> &[Found] {
        self.found
            .get_or_init(|| async {
                let mut found = runner.probe().await;
                found.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
                found
            })
            .await
    }
}

/// The runner with every kind of sandbox that the settings describe, whether or not it works here.
pub fn sandboxed(runner: Runner, settings: &SandboxSettings, path: &str) -> Runner {
    let bwrap = &settings.bubblewrap.program;
    runner.with_bubblewrap(find_program(bwrap, path).unwrap_or_else(|| bwrap.clone()))
}

fn choose(found: &[Found], asked: SandboxKind, egress: Egress) -> Result<(SandboxKind, Egress), Verdict> {
    let confines = matches!(egress, Egress::Enforce | Egress::Observe);
    let fits = |kind: SandboxKind| asked == SandboxKind::Auto || asked == kind;
    let works =
        found.iter().find(|(kind, found)| fits(*kind) && found.is_ok() && (*kind != SandboxKind::Process || !confines));
    match works {
        Some((SandboxKind::Process, _)) => Ok((SandboxKind::Process, Egress::Open)),
        Some((kind, _)) => Ok((*kind, egress)),
        None => Err(refused(found, asked, confines)),
    }
}

fn refused(found: &[Found], asked: SandboxKind, confines: bool) -> Verdict {
    let why = found.iter().filter_map(|(kind, found)| match found {
        Err(why) if asked == SandboxKind::Auto || asked == *kind => Some(format!("{}: {why}", kind.as_str())),
        _ => None,
    });
    let why: Vec<String> = why.collect();
    let mut message = match asked {
        SandboxKind::Auto => "No sandbox that could hold this run works here.".to_owned(),
        SandboxKind::Process if confines => {
            "A plain process can't be kept from any host; ask for another sandbox.".to_owned()
        }
        asked => format!("The sandbox `{}` that this run asks for does not work here.", asked.as_str()),
    };
    if !why.is_empty() {
        message = format!("{message} {}. `legwork doctor` tells more.", why.join("; "));
    }
    Verdict::failed(FailureReason::SandboxUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bubblewrap: bool) -> Vec<Found> {
        let bubblewrap = if bubblewrap { Ok("bubblewrap 0.8.0".into()) } else { Err("it is not installed".into()) };
        vec![(SandboxKind::Bubblewrap, bubblewrap), (SandboxKind::Process, Ok("no isolation".into()))]
    }

    #[test]
    fn the_strongest_that_works_is_chosen_and_nothing_weaker_than_asked() {
        use Egress::{Enforce, Open, Public};
        use SandboxKind::{Auto, Bubblewrap, Docker, Process};
        let table = [
            (true, Auto, Public, Some((Bubblewrap, Public))),
            (true, Auto, Enforce, Some((Bubblewrap, Enforce))),
            (true, Bubblewrap, Open, Some((Bubblewrap, Open))),
            (false, Auto, Public, Some((Process, Open))),
            (false, Auto, Enforce, None),
            (false, Bubblewrap, Open, None),
            (true, Process, Enforce, None),
            (true, Docker, Public, None),
        ];
        for (works, asked, egress, expected) in table {
            let chosen = choose(&found(works), asked, egress);
            assert_eq!(chosen.as_ref().ok().copied(), expected, "{asked:?} {egress:?}: {chosen:?}");
        }
    }

    #[test]
    fn a_refusal_says_why_and_where_to_learn_more() {
        let refused = choose(&found(false), SandboxKind::Bubblewrap, Egress::Open).expect_err("refused");
        let Verdict::Failed(failure) = refused else { panic!("{refused:?}") };
        assert_eq!(failure.reason, FailureReason::SandboxUnavailable);
        assert!(failure.message.contains("it is not installed"), "{}", failure.message);
    }
}
