//! What an agent is given and what it says, by way of the engine.

use std::sync::Arc;
use std::time::Duration;

use legwork_model::FailureReason;
use tokio::time::Instant;

use crate::attacks::without_a_route;
use crate::lab::{Lab, World};

pub(crate) async fn an_answer_is_a_success(world: Arc<World>) {
    let done = Lab::new(&world, "text hello\nstderr aside\ntext the answer").run(&world).await;
    assert_eq!(done.texts(), ["hello", "the answer"]);
    assert_eq!(done.outcome.result.as_deref(), Some("the answer"));
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(0));
}

pub(crate) async fn an_exit_code_is_told(world: Arc<World>) {
    let done = Lab::new(&world, "stderr something is wrong\nexit 3").run(&world).await;
    assert_eq!(done.failure().0, FailureReason::ExitNonzero, "{:?}", done.outcome);
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(3));
    let done = Lab::new(&world, "half-line").run(&world).await;
    assert_eq!(done.failure().0, FailureReason::IncompleteOutput);
    let done = Lab::new(&world, "run kill -KILL $PPID").run(&world).await;
    assert_eq!(done.outcome.exit.and_then(|exit| exit.signal), Some(9), "{:?}", done.outcome);
}

pub(crate) async fn what_an_agent_is_given_arrives(world: Arc<World>) {
    let prompt = format!("text {}\nrun pwd; echo $ODD; echo $PATH; id -u; echo $LEGWORK_RUN.", "long ".repeat(60_000));
    let lab = Lab::with(&world, &prompt, |attempt| attempt.launch.env.push(("ODD".into(), "a 'b' $(c) \"d\"".into())));
    let work = lab.dirs.work();
    let done = lab.run(&world).await;
    let texts = done.texts();
    assert_eq!(texts[0].len(), "long ".len() * 60_000 - 1);
    let said: Vec<_> = texts[1].lines().collect();
    assert_eq!(said[0], work.to_str().expect("text"));
    assert_eq!(said[1], "a 'b' $(c) \"d\"");
    assert!(said[2].contains("/usr/local/bin") && !said[2].contains("/of/the/machine"), "{said:?}");
    assert_eq!(said[3..], ["10001", "."], "nobody's, and without our mark");
}

pub(crate) async fn a_long_answer_is_whole(world: Arc<World>) {
    let done = Lab::new(&world, "garbage\nflood 6MB\nline 3MB\ntext done").run(&world).await;
    assert_eq!(done.texts().last(), Some(&"done"));
    assert!(done.output.len() > 9_000_000, "{}", done.output.len());
    assert!(done.output.windows(3).any(|bytes| bytes == b"\x00\xff\xfe"), "byte for byte");
}

pub(crate) async fn a_flood_is_cut_off_at_the_cap(world: Arc<World>) {
    for script in ["flood forever", "ignore-term\nflood forever"] {
        let lab = Lab::with(&world, script, |attempt| attempt.limits.max_output_bytes = 100_000);
        let done = lab.run(&world).await;
        assert_eq!(done.failure().0, FailureReason::OutputLimit);
        assert_eq!(done.output.len(), 100_000);
    }
}

pub(crate) async fn many_runs_leave_nothing(world: Arc<World>) {
    let runs = (0..20).map(|run| Lab::new(&world, &format!("text {run}")).start(&world.runner));
    for going in runs.collect::<Vec<_>>() {
        going.end().await.texts();
    }
    assert_eq!(world.engine().containers(), Vec::<String>::new());
    assert_eq!(world.engine().docker(&["volume", "ls", "--quiet"]), "");
}

/// The engine's own client is what there is to compare with: it makes, starts and removes the same container. The figures are
/// printed; what fails is to be far off, as the machine has other things to do.
pub(crate) async fn a_run_takes_about_as_long_as_with_docker_run(world: Arc<World>) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let by_hand = "run --rm --init --network none --cap-drop ALL --read-only --user 10001 agent agent --script";
    let by_hand: Vec<_> = by_hand.split(' ').chain(["text in"]).collect();
    for _ in 0..9 {
        let begun = Instant::now();
        world.engine().docker(&by_hand);
        theirs.push(begun.elapsed());
        let lab = Lab::with(&world, "", |attempt| {
            attempt.launch.args = vec!["--script".into(), "text in".into()];
            attempt.confinement.network = without_a_route("in");
        });
        let begun = Instant::now();
        lab.run(&world).await.texts();
        ours.push(begun.elapsed());
    }
    let median = |mut all: Vec<Duration>| {
        all.sort();
        all[all.len() / 2]
    };
    let (ours, theirs) = (median(ours), median(theirs));
    eprintln!("a run takes {} ms, `docker run` {} ms", ours.as_millis(), theirs.as_millis());
    assert!(ours < 2 * theirs, "{ours:?}, by hand {theirs:?}");
}
