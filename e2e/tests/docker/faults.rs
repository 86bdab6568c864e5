//! What goes wrong outside an agent, and how its run says so.

use std::sync::Arc;

use legwork_model::{FailureReason, SandboxKind};
use legwork_runner::{Docker, DockerSettings};

use crate::lab::{Lab, World};

async fn probed(world: &World, docker: &Docker) -> Result<String, String> {
    let probes = world.other(docker).probe().await;
    probes.into_iter().find(|(kind, _)| *kind == SandboxKind::Docker).expect("it is known").1.map(|works| works.made_of)
}

pub(crate) async fn the_engine_says_what_it_is(world: Arc<World>) {
    let version = world.engine().docker(&["version", "--format", "{{.Server.Version}}"]);
    let said = probed(&world, &world.docker).await.expect("it works");
    assert!(said.starts_with(&format!("Docker {version}")), "{said}");
}

pub(crate) async fn an_image_that_is_not_there(world: Arc<World>) {
    let with = |image: &str, settings: DockerSettings| {
        let image = Some(image.to_owned());
        let docker = Docker::new(settings);
        let lab = Lab::with(&world, "text in", |attempt| attempt.confinement.container.image = image);
        lab.start(&world.other(&docker)).end()
    };
    let done = with("no-such-image:1", world.settings()).await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::SandboxUnavailable);
    assert!(message.contains("no-such-image:1") && message.contains("switched off"), "{message}");

    // A registry that takes its time.
    let registry = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let image = format!("127.0.0.1:{}/slow", registry.local_addr().expect("an address").port());
    let pull = Some(std::time::Duration::from_millis(700));
    let done = with(&image, DockerSettings { pull, ..world.settings() }).await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::SandboxUnavailable);
    assert!(message.contains("took longer"), "{message}");

    // And one that is not there.
    drop(registry);
    let pull = Some(std::time::Duration::from_secs(30));
    let done = with(&image, DockerSettings { pull, ..world.settings() }).await;
    assert!(done.failure().1.contains("can't be pulled"), "{:?}", done.outcome);
}

pub(crate) async fn a_program_that_is_not_there(world: Arc<World>) {
    for (program, network) in [("no-such-agent", false), ("/opt/no-such-agent", false), ("no-such-agent", true)] {
        let lab = Lab::with(&world, "", |attempt| {
            attempt.launch.program = program.into();
            if network {
                attempt.confinement.network = crate::attacks::without_a_route("in");
            }
        });
        let done = lab.run(&world).await;
        let (reason, message) = done.failure();
        assert_eq!(reason, FailureReason::SpawnFailed, "{message}");
        assert!(message.contains(program) && message.contains("npm install"), "{message}");
    }
    let lab = Lab::with(&world, "", |attempt| attempt.workspace = "/no/such/workspace".into());
    assert!(lab.run(&world).await.failure().1.contains("/no/such/workspace"));
}

pub(crate) async fn a_name_that_is_taken(world: Arc<World>) {
    let lab = Lab::new(&world, "text in");
    let name = format!("legwork-{}", lab.attempt.cookie.as_str().replace(['/', '_'], "-"));
    let taken = world.engine().docker(&["create", "--network", "none", "--name", &name, "agent", "/bin/true"]);
    assert_eq!(lab.run(&world).await.texts(), ["in"]);
    world.engine().docker(&["rm", &taken]);
}

pub(crate) async fn an_engine_that_is_not_there(world: Arc<World>) {
    let docker = Docker::new(DockerSettings { socket: "/no/such/docker.sock".into(), ..world.settings() });
    let said = probed(&world, &docker).await.expect_err("it does not work");
    assert!(said.contains("/no/such/docker.sock") && said.contains("start Docker or Podman"), "{said}");
    let done = Lab::new(&world, "text in").start(&world.other(&docker)).end().await;
    assert_eq!(done.failure().0, FailureReason::SandboxUnavailable);
}

pub(crate) async fn an_engine_that_dies_meanwhile(world: Arc<World>) {
    let mut going = Lab::new(&world, "text on\nhang").start(&world.runner);
    going.until_text().await;
    world.engine().crash();
    let done = going.end().await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::Lost, "{message}");
    assert!(message.contains("went away"), "{message}");
    let ready = Arc::clone(&world);
    tokio::task::spawn_blocking(move || ready.engine().until_ready()).await.expect("it is back");
    world.docker.sweep(&[]).await.expect("swept");
    assert_eq!(Lab::new(&world, "text in").run(&world).await.texts(), ["in"], "it serves again");
}
