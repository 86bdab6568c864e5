//! Images of setup scripts.

use std::sync::Arc;
use std::time::Duration;

use legwork_model::{FailureReason, Timestamp};
use legwork_runner::{Docker, DockerError, DockerSettings, Progress};
use tokio::sync::mpsc;

use crate::lab::{Lab, World};

pub(crate) async fn a_script_is_run_once(world: Arc<World>) {
    let images = world.docker.images();
    let setup = "echo \"made by $(id -u)\" >/made\necho '${BASE} \"; RUN false'\n";
    let (sender, mut heard) = mpsc::channel(100);
    let progress = Progress::to(sender);
    let builds = (0..4).map(|_| images.build("agent", setup, &progress));
    let tags = futures::future::try_join_all(builds).await.expect("built");
    assert!(tags.iter().all(|tag| *tag == tags[0] && tag.starts_with("legwork/built:")), "{tags:?}");
    drop(progress);
    let mut lines = Vec::new();
    while let Some(line) = heard.recv().await {
        lines.push(line);
    }
    let runs = lines.iter().filter(|line| line.contains("${BASE} \"; RUN false")).count();
    assert_eq!(runs, 1, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("being built already")).count(), 3, "{lines:?}");

    let lab = Lab::with(&world, "run cat /made", |attempt| attempt.confinement.container.setup = Some(setup.into()));
    assert_eq!(lab.run(&world).await.texts(), ["made by 0"]);
    let built = images.list().await.expect("listed");
    assert_eq!(built.iter().map(|image| (&*image.tag, &*image.base)).collect::<Vec<_>>(), [(&*tags[0], "agent")]);
    assert!(built[0].size > 1_000_000, "{built:?}");
    assert_eq!(images.prune(Timestamp::from_millis(0)).await.expect("pruned"), []);
    assert_eq!(images.prune(Timestamp::from_millis(i64::MAX)).await.expect("pruned"), built);
    assert_eq!(images.list().await.expect("listed"), []);
}

pub(crate) async fn a_script_that_fails_says_how(world: Arc<World>) {
    let lab = Lab::with(&world, "text in", |attempt| {
        attempt.confinement.container.setup = Some("echo so far\nno-such-tool install\necho never".into());
    });
    let done = lab.run(&world).await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::SandboxUnavailable);
    assert!(message.contains("so far") && message.contains("no-such-tool") && !message.contains("never"), "{message}");
    assert_eq!(world.docker.images().list().await.expect("listed"), []);
}

pub(crate) async fn a_script_that_hangs_is_given_up(world: Arc<World>) {
    let docker = Docker::new(DockerSettings { build: Duration::from_millis(1500), ..world.settings() });
    let built = docker.images().build("agent", "sleep 1000", &Progress::unheard()).await;
    assert!(matches!(built, Err(DockerError::Slow { .. })), "{built:?}");
    let gone = async {
        while !world.engine().containers().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::lab::PATIENCE, gone).await.expect("the engine gives it up too");
}
