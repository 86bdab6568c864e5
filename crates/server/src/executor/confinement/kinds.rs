//! Which kinds of sandbox work on this machine.

use std::sync::OnceLock;

use legwork_model::{Egress, FailureReason, SandboxKind, Verdict};
use legwork_runner::{Docker, Runner, Works};
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
type Found = (SandboxKind, Result<Works, String>);

impl Kinds {
    /// The kind for a run that asks for one, and what it may reach in that. A plain process can't be kept from anything: to
    /// let it reach every public host is to let it reach whatever the machine does.
    ///
    /// # Errors
    /// What of it can't be had here.
    pub async fn choose(
        &self,
        runner: &Runner,
        docker: &Docker,
        asked: SandboxKind,
        egress: Egress,
    ) -> Result<(SandboxKind, Egress), Verdict> {
        if asked == SandboxKind::Process && matches!(egress, Egress::Public | Egress::Open) {
            return Ok((SandboxKind::Process, Egress::Open));
        }
        let chosen = choose(self.found(runner).await, asked, egress);
        // What asks for no container gets none where it would not have an image.
        match chosen {
            Ok((SandboxKind::Docker, _)) if asked == SandboxKind::Auto && !docker.images().has_default().await => {
                let others: Vec<Found> =
                    self.found(runner).await.iter().filter(|(kind, _)| *kind != SandboxKind::Docker).cloned().collect();
                choose(&others, asked, egress)
            }
            chosen => chosen,
        }
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
                found.sort_by_key(|(kind, _)| rank(*kind));
                found
            })
            .await
    }
}

/// The strongest first. Bubblewrap and containers hold the same; but the former has a filter of system calls of our own, and
/// needs neither an image nor a service that is as good as root.
const fn rank(kind: SandboxKind) -> u8 {
    match kind {
        SandboxKind::Bubblewrap => 0,
        SandboxKind::Docker => 1,
        SandboxKind::Process | SandboxKind::Auto => 2,
    }
}

/// The runner with every kind of sandbox that the settings describe, whether or not it works here.
pub fn sandboxed(runner: Runner, settings: &SandboxSettings, docker: &Docker, path: &str) -> Runner {
    let bwrap = &settings.bubblewrap.program;
    runner.with_bubblewrap(find_program(bwrap, path).unwrap_or_else(|| bwrap.clone())).with_docker(docker)
}

fn choose(found: &[Found], asked: SandboxKind, egress: Egress) -> Result<(SandboxKind, Egress), Verdict> {
    let fits = |kind: SandboxKind| asked == SandboxKind::Auto || asked == kind;
    let has_network = |works: &Works| egress == Egress::Open || works.no_network.is_none();
    let working = || found.iter().filter_map(|(kind, found)| Some((*kind, found.as_ref().ok()?)));
    if let Some((kind, _)) = working().find(|(kind, works)| fits(*kind) && has_network(works)) {
        return Ok((kind, egress));
    }
    // Nothing keeps a plain process from anything: to let it reach every public host is to let it reach whatever the machine
    // does.
    let is_plain = working().any(|(kind, _)| kind == SandboxKind::Process && fits(kind));
    match egress {
        Egress::Public if is_plain => Ok((SandboxKind::Process, Egress::Open)),
        egress => Err(refused(found, asked, egress)),
    }
}

fn refused(found: &[Found], asked: SandboxKind, egress: Egress) -> Verdict {
    let needs_network = egress != Egress::Open;
    let mut why = Vec::new();
    for (kind, found) in found.iter().filter(|(kind, _)| asked == SandboxKind::Auto || asked == *kind) {
        match found {
            Err(problem) => why.push(format!("{}: {problem}", kind.as_str())),
            Ok(Works { no_network: Some(problem), .. }) if needs_network => {
                why.push(format!("{}: no network of its own: {problem}", kind.as_str()));
            }
            Ok(_) => {}
        }
    }
    let mut message = match asked {
        SandboxKind::Auto => "No sandbox that could hold this run works here.".to_owned(),
        SandboxKind::Process => "A plain process can't be kept from any host; ask for another sandbox.".to_owned(),
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
        let works = |made_of: &str, no_network: Option<&str>| {
            Ok(Works { made_of: made_of.into(), no_network: no_network.map(str::to_owned) })
        };
        let bubblewrap = if bubblewrap { works("bubblewrap 0.8.0", None) } else { Err("it is not installed".into()) };
        vec![(SandboxKind::Bubblewrap, bubblewrap), (SandboxKind::Process, works("no isolation", Some("shared")))]
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
