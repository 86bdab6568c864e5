//! A server that dies and comes again.

use std::sync::Arc;

use legwork_model::{TestClock, Timestamp};
use legwork_runner::{Attempt, Cookie, Docker, DockerSettings, Runner, Wires};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::attacks::without_a_route;
use crate::lab::{Done, Lab, PATIENCE, World, dialogue};

/// A server that forgets everything when it is dropped, and cleans up nothing.
struct Mortal {
    runtime: Option<Runtime>,
}

impl Mortal {
    /// Starts a run, and waits until its agent says something.
    fn begin(world: &World, lab: Lab) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let docker = Docker::new(world.settings());
        let runner = world.other(&docker);
        let (said, heard) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let mut going = lab.start(&runner);
            let text = going.until_text().await;
            said.send(text).expect("heard");
            std::future::pending::<()>().await;
        });
        heard.recv_timeout(PATIENCE).expect("it says something");
        Self { runtime: Some(runtime) }
    }

    /// What is dropped by a runtime that ends can't start anything more, as after a kill.
    fn die(mut self) {
        self.runtime.take().expect("it lives").shutdown_background();
    }
}

/// The same attempt, as a new server knows it.
fn same(world: &World, cookie: &Cookie) -> Attempt {
    Lab::with(world, "", |attempt| attempt.cookie = cookie.clone()).attempt
}

async fn attached(runner: &Runner, docker: &Docker, attempt: Attempt) -> Option<Done> {
    let (_stop, stopped) = watch::channel(None);
    let (sender, mut events) = mpsc::channel(4096);
    let again = runner.run_again(docker, attempt, Wires::one_way(dialogue(), stopped, sender));
    let collect = async {
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            all.push(event);
        }
        all
    };
    let both = async { tokio::join!(again, collect) };
    let (ended, events) = tokio::time::timeout(PATIENCE, both).await.expect("it ends");
    ended.expect("the engine answers").map(|ended| Done::new(ended, events))
}

async fn killed_meanwhile(world: &Arc<World>, lab: Lab) {
    let world = Arc::clone(world);
    tokio::task::spawn_blocking(move || Mortal::begin(&world, lab).die()).await.expect("it died");
}

pub(crate) async fn a_run_goes_on_without_its_server(world: Arc<World>) {
    let script = "garbage\ntext before\nrun while ! [ -e go ]; do sleep 0.02; done; cat go\nconnect 127.0.0.1:3128";
    let lab = Lab::with(&world, script, |attempt| attempt.confinement.network = without_a_route("first"));
    let (cookie, work) = (lab.attempt.cookie.clone(), lab.dirs.work());
    killed_meanwhile(&world, lab).await;
    assert_eq!(world.engine().containers().len(), 1, "it goes on");

    let docker = Docker::new(world.settings());
    let runner = world.other(&docker);
    let mut attempt = same(&world, &cookie);
    attempt.confinement.network = without_a_route("again");
    let again = tokio::spawn(async move { attached(&runner, &docker, attempt).await });
    std::fs::write(work.join("go"), "went on").expect("written");
    let done = again.await.expect("no panic").expect("it is there");
    let texts = done.texts();
    assert_eq!(texts[..2], ["before", "went on"], "from the beginning on");
    assert!(["first", "again"].contains(&texts[2]), "{texts:?}");
    assert!(done.output.windows(3).any(|bytes| bytes == b"\x00\xff\xfe"), "byte for byte");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(work).expect("it")), 0, "it is ours again");
}

pub(crate) async fn a_run_that_ended_meanwhile_is_told_from_the_beginning(world: Arc<World>) {
    let lab = Lab::new(&world, "text before\nflood 2MB\ntext after");
    let cookie = lab.attempt.cookie.clone();
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    world.engine().docker(&["wait", &id]);
    let done = attached(&world.runner, &world.docker, same(&world, &cookie)).await.expect("it is there");
    assert_eq!(done.texts(), ["before", "after"]);
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(0));
    assert!(done.output.len() > 2_000_000);
    let nothing = attached(&world.runner, &world.docker, same(&world, &cookie)).await;
    assert!(nothing.is_none(), "it is told once");
}

pub(crate) async fn a_sweep_removes_the_dead_and_nothing_else(world: Arc<World>) {
    let dead = Lab::with(&world, "text on\nhang", |attempt| {
        attempt.confinement.container.workspace = legwork_model::WorkspaceMount::Copy;
    });
    let cookie = dead.attempt.cookie.clone();
    killed_meanwhile(&world, dead).await;
    let kept = Lab::with(&world, "text on\nhang", |attempt| attempt.confinement.container.keep = Some("mine".into()));
    killed_meanwhile(&world, kept).await;
    let theirs = Docker::new(DockerSettings { node: "another".into(), ..world.settings() });
    let mut theirs = Lab::new(&world, "text on\nhang").start(&world.other(&theirs));
    theirs.until_text().await;
    let live = Lab::new(&world, "text on\nhang");
    let live_cookie = live.attempt.cookie.clone();
    let mut live = live.start(&world.runner);
    live.until_text().await;

    let mut removed = world.docker.sweep(std::slice::from_ref(&live_cookie)).await.expect("swept");
    removed.sort();
    assert_eq!(removed, [cookie.to_string(), "mine".to_owned()]);
    assert_eq!(world.engine().containers().len(), 2);
    let copies = std::fs::read_dir(world.data.path().join("copies")).expect("it").count();
    assert_eq!(copies, 0);
    for going in [live, theirs] {
        going.cancel();
        going.end().await;
    }
    assert_eq!(world.docker.sweep(&[]).await.expect("swept"), Vec::<String>::new());
}

pub(crate) async fn a_sweep_ends_what_should_be_over(world: Arc<World>) {
    let lab = Lab::with(&world, "text on\nhang", |attempt| attempt.limits.timeout_seconds = 100);
    let cookie = lab.attempt.cookie.clone();
    let mut going = lab.start(&world.runner);
    going.until_text().await;
    let label = ["inspect", "--format", "{{index .Config.Labels \"legwork.until\"}}"];
    let container = world.engine().containers().remove(0);
    let until: i64 = world.engine().docker(&[&label[..], &[&container]].concat()).parse().expect("a moment");
    for (millis, expected) in [(until - 1, 0), (until + 1, 1)] {
        let clock = Arc::new(TestClock::at(Timestamp::from_millis(millis)));
        let docker = Docker::new(DockerSettings { clock, ..world.settings() });
        assert_eq!(docker.sweep(std::slice::from_ref(&cookie)).await.expect("swept").len(), expected);
    }
    going.end().await.failure();
}
