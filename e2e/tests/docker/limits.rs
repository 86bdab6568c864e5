//! What all processes of a run together may use.

use std::sync::Arc;

use legwork_model::{ByteSize, Cpus, FailureReason};
use legwork_runner::{Docker, DockerSettings};

use crate::lab::{Lab, World};

pub(crate) async fn memory(world: Arc<World>) {
    let lab = Lab::with(&world, "text before\ntake 400MB\ntext after", |attempt| {
        attempt.confinement.resources.memory = ByteSize::new(64 << 20);
    });
    let done = lab.run(&world).await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::MemoryLimit);
    assert!(message.contains("67108864"), "{message}");
    assert!(done.events.len() > 1, "what was said before is kept");
}

pub(crate) async fn processes(world: Arc<World>) {
    let script =
        "run i=0; while [ $i -lt 100 ]; do sleep 60 >/dev/null 2>&1 & i=$((i + 1)); done\ntext the machine is up";
    let lab = Lab::with(&world, script, |attempt| attempt.confinement.resources.pids = Some(40));
    let done = lab.run(&world).await;
    assert!(String::from_utf8_lossy(&done.output).contains("fork"), "{:?}", done.outcome);
    for keep in [None, Some("mine".to_owned())] {
        let lab = Lab::with(&world, &format!("{script}\nsleep 200ms\nexit 3"), |attempt| {
            attempt.confinement.resources.pids = Some(40);
            attempt.confinement.container.keep = keep;
        });
        let done = lab.run(&world).await;
        let (reason, message) = done.failure();
        assert_eq!(reason, FailureReason::PidsLimit, "{message}");
        assert!(message.contains("40"), "{message}");
    }
    let lab = Lab::with(&world, "text before\nexit 3", |attempt| {
        attempt.confinement.resources.pids = Some(40);
        attempt.confinement.container.keep = Some("mine".into());
    });
    assert_eq!(lab.run(&world).await.failure().0, FailureReason::ExitNonzero, "the one before was another job");
    world.docker.put_away().await;
    let lab =
        Lab::with(&world, "run cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null", |attempt| {
            attempt.confinement.resources.pids = Some(40);
        });
    assert_eq!(lab.run(&world).await.texts(), ["40"]);
}

pub(crate) async fn processors(world: Arc<World>) {
    let script = "run cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null";
    let lab = Lab::with(&world, script, |attempt| attempt.confinement.resources.cpus = Cpus::new(500));
    let done = lab.run(&world).await;
    assert!(done.texts()[0].starts_with("50000"), "{:?}", done.texts());
}

/// The operator's filter, in ordinary and in kept containers; without one that can be read nothing runs.
pub(crate) async fn system_calls(world: Arc<World>) {
    let file = world.data.path().join("profile.json");
    let rule = r#"{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}"#;
    std::fs::write(&file, format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#)).expect("written");
    let docker = Docker::new(DockerSettings { seccomp_profile: Some(file.clone()), ..world.settings() });
    let runner = world.other(&docker);
    let lab = |keep: Option<&str>| {
        Lab::with(&world, "run mkdir a; cat /proc/self/status", |attempt| {
            attempt.confinement.container.keep = keep.map(str::to_owned);
        })
    };
    for keep in [None, Some("mine")] {
        let done = lab(keep).start(&runner).end().await;
        let said = done.texts()[0];
        assert!(said.contains("not supported") && said.contains("Seccomp:\t2"), "{said}");
    }
    docker.put_away().await;
    std::fs::write(&file, "{}").expect("written");
    let done = lab(None).start(&runner).end().await;
    let (reason, message) = done.failure();
    assert_eq!(reason, FailureReason::SandboxUnavailable);
    assert!(message.contains("profile.json"), "{message}");
}

/// A disk full of temporary files, open files, core dumps.
pub(crate) async fn files(world: Arc<World>) {
    let script = "run ulimit -n; ulimit -c; head -c 600000000 /dev/zero >/tmp/big; echo x >/etc/passwd; echo x >/new";
    let lab = Lab::with(&world, script, |attempt| {
        attempt.confinement.resources.memory = ByteSize::new(1 << 30);
    });
    let done = lab.run(&world).await;
    let said = done.texts()[0];
    assert!(said.starts_with("16384\n0\n") && said.contains("No space left"), "{said}");
    assert!(said.contains("/etc/passwd") && said.contains("/new"), "{said}");
}
