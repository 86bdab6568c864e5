//! A server that dies and comes again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork_agents::Order;
use legwork_model::{TestClock, Timestamp, Verdict};
use legwork_runner::supervisor::Keep;
use legwork_runner::{
    Cookie, Docker, DockerSettings, Instruction, Lines, Network, Resumption, Runner, StopReason, Survival,
};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::attacks::without_a_route;
use crate::lab::{Done, Going, Lab, PATIENCE, World, dialogue_of};
use crate::nowhere::Nowhere;
use crate::serving::serving;

/// A runner whose runs outlive it.
fn lasting(world: &World) -> Runner {
    lasting_on(world, &Docker::new(world.settings()))
}

fn lasting_on(world: &World, docker: &Docker) -> Runner {
    let test = std::env::current_exe().expect("a test has a path");
    let found = test.ancestors().skip(1).take(3).map(|dir| dir.join("legwork")).find(|path| path.is_file());
    let legwork = found.expect("legwork is built");
    world.other(docker).with_supervisor(legwork, vec!["supervise".into()], world.data.path().join("supervisors"))
}

/// A run that outlives its server, for as long without one.
fn lasting_lab(world: &World, script: &str, unattended: Duration, change: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = Lab::new(world, script);
    let keep = Keep { memo: b"memo".to_vec(), hard_limit: PATIENCE, unattended };
    lab.attempt.survival = Survival::Kept(keep);
    change(&mut lab);
    lab
}

/// A server that forgets everything when it is dropped, and cleans up nothing.
struct Mortal {
    runtime: Option<Runtime>,
}

impl Mortal {
    /// Starts a run, and waits until its agent says something.
    fn begin(world: &Arc<World>, lab: Lab) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (said, heard) = std::sync::mpsc::channel();
        let world = Arc::clone(world);
        runtime.spawn(async move {
            let mut going = lab.start(&lasting(&world));
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

async fn killed_meanwhile(world: &Arc<World>, lab: Lab) {
    let world = Arc::clone(world);
    tokio::task::spawn_blocking(move || Mortal::begin(&world, lab).die()).await.expect("it died");
}

/// A run as the next server knows it.
struct Known {
    cookie: Cookie,
    resumption: Resumption,
    work: PathBuf,
}

impl Known {
    fn of(lab: &Lab) -> Self {
        let resumption = Resumption {
            limits: lab.attempt.limits.clone(),
            idle: lab.attempt.idle,
            stdout_path: lab.dirs.stdout().with_extension("again"),
            so_far: 0,
            listens: lab.attempt.launch.stdin.open_until_turn_ends,
            confinement: lab.attempt.confinement.clone(),
            serves: lab.attempt.launch.serves,
        };
        Self { cookie: lab.attempt.cookie.clone(), resumption, work: lab.dirs.work() }
    }

    /// Takes the run up; tells what it said before as if it came now.
    async fn taken_up(self, runner: &Runner) -> Option<(Going, mpsc::Sender<Instruction>)> {
        let survivors = runner.survivors().await.expect("they can be asked for");
        let survivor = survivors.iter().find(|survivor| survivor.cookie() == &self.cookie)?;
        let taken = survivor.take_up().await.expect("connected").expect("it is there");
        assert_eq!(taken.memo(), b"memo");
        let dialogue = dialogue_of(self.resumption.serves);
        let mut resumed = runner.resume(taken, self.resumption, dialogue).await.expect("resumed");
        let (stop, stopped) = watch::channel(None);
        let (sender, events) = mpsc::channel(4096);
        for event in std::mem::take(&mut resumed.events) {
            sender.send(event).await.expect("there is room");
        }
        let (orders, told) = mpsc::channel(16);
        let lines = Lines { stop: stopped, orders: Some(told), events: sender };
        let runner = runner.clone();
        let ended = tokio::spawn(async move { runner.go_on(resumed, lines).await });
        Some((Going { stop, events, ended }, orders))
    }

    async fn end(self, runner: &Runner) -> Done {
        self.taken_up(runner).await.expect("it is there").0.end().await
    }
}

pub(crate) async fn a_run_goes_on_without_its_server(world: Arc<World>) {
    let script = "garbage\ntext before\nrun while ! [ -e go ]; do sleep 0.02; done; cat go\nconnect 127.0.0.1:3128";
    let lab = lasting_lab(&world, script, PATIENCE, |lab| {
        lab.attempt.confinement.network = without_a_route("first");
    });
    let mut known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    assert_eq!(world.engine().containers().len(), 1, "it goes on");

    known.resumption.confinement.network = without_a_route("again");
    let work = known.work.clone();
    let again = tokio::spawn({
        let world = Arc::clone(&world);
        async move { known.end(&lasting(&world)).await }
    });
    std::fs::write(work.join("go"), "went on").expect("written");
    let done = again.await.expect("no panic");
    let texts = done.texts();
    assert_eq!(texts[..2], ["before", "went on"], "from the beginning on");
    assert!(["first", "again"].contains(&texts[2]), "{texts:?}");
    assert!(done.output.windows(3).any(|bytes| bytes == b"\x00\xff\xfe"), "byte for byte");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(work).expect("it")), 0, "it is ours again");
}

pub(crate) async fn a_run_that_ended_meanwhile_is_told_from_the_beginning(world: Arc<World>) {
    let lab = lasting_lab(&world, "text before\nflood 2MB\ntext after", PATIENCE, |lab| {
        lab.attempt.launch.stdin.open_until_turn_ends = false;
    });
    let (known, twice) = (Known::of(&lab), Known::of(&lab));
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    world.engine().docker(&["wait", &id]);
    let runner = lasting(&world);
    let done = known.end(&runner).await;
    assert_eq!(done.texts(), ["before", "after"]);
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(0));
    assert!(done.output.len() > 2_000_000);
    assert!(twice.taken_up(&runner).await.is_none(), "it is told once");
}

/// The same in containers that are kept; those stay, with what they have, for the next job.
pub(crate) async fn a_job_in_a_kept_container_goes_on_without_its_server(world: Arc<World>) {
    let script =
        "garbage\nconnect 127.0.0.1:3128\nrun while ! [ -e go ]; do sleep 0.02; done; cat go\nconnect 127.0.0.1:3128";
    let kept = |lab: &mut Lab| lab.attempt.confinement.container.keep = Some("mine".into());
    let lab = lasting_lab(&world, script, PATIENCE, |lab| {
        kept(lab);
        lab.attempt.confinement.network = without_a_route("first");
    });
    let mut known = Known::of(&lab);
    let cookie = known.cookie.clone();
    killed_meanwhile(&world, lab).await;
    let container = world.engine().containers();
    let docker = Docker::new(world.settings());
    assert_eq!(docker.sweep(&[cookie]).await.expect("swept"), Vec::<String>::new(), "its run lives");

    known.resumption.confinement.network = without_a_route("again");
    let work = known.work.clone();
    let runner = lasting_on(&world, &docker);
    let (again, by) = (known.taken_up(&runner).await.expect("it is there").0, runner.clone());
    std::fs::write(work.join("go"), "went on").expect("written");
    let done = again.end().await;
    assert_eq!(done.texts(), ["first", "went on", "again"], "from the beginning on");
    assert!(done.output.windows(3).any(|bytes| bytes == b"\x00\xff\xfe"), "byte for byte");
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(0));
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(work).expect("it")), 0, "it is ours again");

    let next = lasting_lab(&world, "run echo next", PATIENCE, |lab| {
        kept(lab);
        lab.attempt.confinement.network = without_a_route("next");
    });
    next.start(&by).end().await.texts();
    assert_eq!(world.engine().containers(), container, "it serves the next job");
    assert_eq!(docker.sweep(&[]).await.expect("swept"), Vec::<String>::new(), "it is this server's now");
    docker.put_away().await;
}

pub(crate) async fn a_job_in_a_kept_container_that_ended_meanwhile_is_told_from_the_beginning(world: Arc<World>) {
    let lab =
        lasting_lab(&world, "text before\nflood 2MB\nspawn detached sleeper m\ntext after\nexit 3", PATIENCE, |lab| {
            lab.attempt.launch.stdin.open_until_turn_ends = false;
            lab.attempt.confinement.container.keep = Some("mine".into());
        });
    let (known, twice) = (Known::of(&lab), Known::of(&lab));
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    while processes(&world, &id).contains("stream-json") {
        tokio::task::yield_now().await;
    }
    let docker = Docker::new(world.settings());
    let runner = lasting_on(&world, &docker);
    let done = known.end(&runner).await;
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(3));
    assert!(done.output.len() > 2_000_000);
    assert!(twice.taken_up(&runner).await.is_none(), "it is told once");
    let left = processes(&world, &id);
    assert!(!left.contains("sleeper"), "{left}");
    docker.put_away().await;
}

fn processes(world: &World, container: &str) -> String {
    world.engine().docker(&["exec", container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | cat"])
}

pub(crate) async fn a_kept_container_that_nobody_comes_for_ends(world: Arc<World>) {
    let lab = lasting_lab(&world, "text before\nhang", Duration::from_millis(200), |lab| {
        lab.attempt.confinement.container.keep = Some("mine".into());
    });
    let known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    world.engine().docker(&["wait", &id]);
    let runner = lasting(&world);
    assert!(known.taken_up(&runner).await.is_none());
    assert_eq!(Docker::new(world.settings()).sweep(&[]).await.expect("swept"), ["mine"]);
}

/// Whoever comes learns how it ended.
pub(crate) async fn a_job_in_a_kept_container_ends_in_time_without_a_server(world: Arc<World>) {
    let lab = lasting_lab(&world, "text before\nspawn detached sleeper m\nhang", PATIENCE, |lab| {
        lab.attempt.confinement.container.keep = Some("mine".into());
        let hard_limit = Duration::from_millis(500);
        lab.attempt.survival = Survival::Kept(Keep { memo: b"memo".to_vec(), hard_limit, unattended: PATIENCE });
    });
    let known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    world.engine().docker(&["wait", &id]);
    let done = known.end(&lasting(&world)).await;
    assert!(done.output.windows(6).any(|bytes| bytes == b"before"), "{:?}", done.outcome);
    done.failure();
    assert_eq!(world.engine().containers(), Vec::<String>::new());
}

/// Its input is open as long as somebody may have something to say, server or not.
pub(crate) async fn what_is_said_after_a_restart_is_heard(world: Arc<World>) {
    heard_after_a_restart(world, None).await;
}

pub(crate) async fn what_is_said_in_a_kept_container_after_a_restart_is_heard(world: Arc<World>) {
    heard_after_a_restart(world, Some("mine".into())).await;
}

async fn heard_after_a_restart(world: Arc<World>, keep: Option<String>) {
    let lab = lasting_lab(&world, "text before", PATIENCE, |lab| {
        lab.attempt.idle = Some(PATIENCE);
        lab.attempt.confinement.container.keep = keep;
    });
    let known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    let docker = Docker::new(world.settings());
    let (mut going, orders) = known.taken_up(&lasting_on(&world, &docker)).await.expect("it is there");
    assert_eq!(going.until_text().await, "before");
    orders.send(Instruction::Order(Order::Message("text after".into()))).await.expect("taken");
    assert_eq!(going.until_text().await, "after");
    orders.send(Instruction::Leave).await.expect("taken");
    assert_eq!(going.end().await.outcome.verdict, Verdict::Succeeded);
    docker.put_away().await;
}

pub(crate) async fn a_program_that_serves_http_goes_on(world: Arc<World>) {
    served_after_a_restart(world, None).await;
}

pub(crate) async fn a_program_that_serves_http_in_a_kept_container_goes_on(world: Arc<World>) {
    served_after_a_restart(world, Some("mine".into())).await;
}

async fn served_after_a_restart(world: Arc<World>, keep: Option<String>) {
    let lab = lasting_lab(&world, "", PATIENCE, |lab| {
        lab.attempt.confinement.container.keep = keep;
        lab.attempt.confinement.network = Network::Own(Arc::new(Nowhere));
        serving(&mut lab.attempt.launch);
    });
    let known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    let work = known.work.clone();
    std::fs::write(work.join("go"), "").expect("written");
    while !work.join("asked").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let docker = Docker::new(world.settings());
    let (mut going, orders) = known.taken_up(&lasting_on(&world, &docker)).await.expect("it is there");
    assert_eq!(going.until_text().await, "before");
    assert_eq!(going.until_text().await, "answered", "what it asked while nobody was there");
    for text in ["after", "done"] {
        orders.send(Instruction::Order(Order::Message(text.into()))).await.expect("taken");
    }
    assert_eq!(going.end().await.texts(), ["after"]);
    docker.put_away().await;
}

pub(crate) async fn a_server_that_leaves_leaves_its_containers(world: Arc<World>) {
    for keep in [None, Some("mine".to_owned())] {
        left_by_a_server(&world, keep).await;
    }
}

async fn left_by_a_server(world: &World, keep: Option<String>) {
    let script = "text before\nrun while ! [ -e go ]; do sleep 0.02; done\ntext after";
    let lab = lasting_lab(world, script, PATIENCE, |lab| lab.attempt.confinement.container.keep = keep);
    let known = Known::of(&lab);
    let (docker, next) = (Docker::new(world.settings()), Docker::new(world.settings()));
    let leaving = lasting_on(world, &docker);
    let mut going = lab.start(&leaving);
    going.until_text().await;
    leaving.supervisor().expect("there is one").leave();
    going.stop.send_replace(Some(StopReason::Leave));
    assert!(going.ended.await.expect("no panic").goes_on);
    docker.put_away().await;
    assert_eq!(world.engine().containers().len(), 1);
    std::fs::write(known.work.join("go"), "").expect("written");
    assert_eq!(known.end(&lasting_on(world, &next)).await.texts(), ["before", "", "after"]);
    next.put_away().await;
}

pub(crate) async fn a_run_that_nobody_comes_for_ends(world: Arc<World>) {
    let lab = lasting_lab(&world, "text before\nhang", Duration::from_millis(200), |_| {});
    let known = Known::of(&lab);
    killed_meanwhile(&world, lab).await;
    let id = world.engine().containers().remove(0);
    assert_eq!(world.engine().docker(&["wait", &id]), "137", "its supervisor kills it");
    let runner = lasting(&world);
    assert!(known.taken_up(&runner).await.is_none());
    assert_eq!(world.docker.sweep(&[]).await.expect("swept").len(), 1);
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

/// Nobody but the server that started it knows of a program that waits for its job.
pub(crate) async fn a_sweep_removes_nothing_of_its_own_server(world: Arc<World>) {
    let waiting = Lab::new(&world, "").wait(&world.runner).await;
    assert_eq!(world.docker.sweep(&[]).await.expect("swept"), Vec::<String>::new());
    assert!(waiting.is_alive());
    waiting.end().await;
    assert_eq!(world.engine().containers(), Vec::<String>::new());
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
