//! The same attacks from inside containers, as the usual user and as the superuser. One engine for all of them, so they are
//! one test; each leaves no container behind.

use futures::future::BoxFuture;
use legwork_runner::{Docker, DockerSettings, Graces, Runner};

use crate::engine::{Engine, Kind};
use crate::lab::Attacker;
use crate::{egress, kernel, network, other_runs, persistence, sockets};

/// A row, by its name.
pub(crate) type Row = (&'static str, fn(Attacker) -> BoxFuture<'static, ()>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_containers() {
    check(Kind::Docker, rows()).await;
}

/// What its own filter of system calls lets through is not ours to say; the way out is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_in_containers_of_podman() {
    check(Kind::Podman, egress::IN_CONTAINERS.into_iter().flatten().copied()).await;
}

async fn check(kind: Kind, rows: impl Iterator<Item = Row>) {
    let engine = match Engine::start(kind, &["/usr/bin/python3", "/usr/bin/curl", "/usr/bin/git"]) {
        Ok(engine) => engine,
        Err(reason) => return eprintln!("SKIPPED  attacks from inside containers of {kind:?}: {reason}"),
    };
    let place = tempfile::tempdir().expect("a directory");
    let runner: &Runner = Box::leak(Box::new(runner(&engine, &place)));
    let mut failed = Vec::new();
    for (name, row) in rows {
        let [user, superuser] = [1000, 0].map(|user| tokio::spawn(row(Attacker::in_container(user, runner))));
        let held = (user.await.is_ok(), superuser.await.is_ok());
        let left = engine.containers();
        if held != (true, true) || !left.is_empty() {
            failed.push(format!("{name}: held against user and superuser {held:?}, containers left: {left:?}"));
        }
    }
    assert_eq!(failed, Vec::<String>::new());
}

fn rows() -> impl Iterator<Item = Row> {
    let others = [kernel::IN_CONTAINERS, network::IN_CONTAINERS, other_runs::IN_CONTAINERS, persistence::IN_CONTAINERS];
    egress::IN_CONTAINERS.iter().copied().chain(others).chain([sockets::IN_CONTAINERS]).flatten().copied()
}

fn runner(engine: &Engine, place: &tempfile::TempDir) -> Runner {
    let settings = DockerSettings {
        socket: engine.socket(),
        image: Some("agent".into()),
        pull: None,
        ..DockerSettings::new("sandbox", place.path().join("runs"), place.path().join("copies"))
    };
    let graces = Graces { terminate: std::time::Duration::from_millis(500), ..Graces::default() };
    Runner::new().expect("a runner").with_graces(graces).with_docker(&Docker::new(settings))
}
