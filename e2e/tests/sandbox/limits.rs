//! Hogs.

use std::path::PathBuf;

use legwork_model::{ByteSize, Cpus, FailureReason, SandboxKind, Verdict};
use legwork_runner::{Network, Resources};

use crate::lab::{Lab, has_bubblewrap};

const FORKS: &str = r#"
import signal
born = []
try:
    while len(born) < 500:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        born.append(pid)
except OSError as error:
    print(f"refused: {errno.errorcode[error.errno]}")
print(f"few: {len(born) < 64}")
for pid in born:
    os.kill(pid, signal.SIGKILL)
"#;

fn lab(kind: SandboxKind, resources: Resources) -> Lab {
    let mut lab = Lab::new(1000);
    lab.confinement.kind = kind;
    lab.confinement.resources = resources;
    if kind == SandboxKind::Process {
        lab.confinement.network = Network::Machine;
    }
    lab
}

/// The control groups of a run that are there.
fn groups(lab: &Lab) -> Vec<PathBuf> {
    let name = lab.cookie().as_str().replace('/', ":");
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = left.pop() {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
        for path in entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())).map(|entry| entry.path()) {
            if path.file_name().is_some_and(|it| it == name.as_str()) {
                found.push(path.clone());
            }
            left.push(path);
        }
    }
    found
}

fn has_control_groups() -> bool {
    let able = rustix::process::geteuid().is_root()
        && std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|it| it.contains("memory") && it.contains("pids"));
    if !able {
        eprintln!("SKIPPED row 29: no control groups may be made here");
    }
    able
}

#[tokio::test]
async fn row_29_a_fork_bomb_is_held_and_told_of() {
    if !has_control_groups() || !has_bubblewrap().await {
        return;
    }
    for kind in [SandboxKind::Process, SandboxKind::Bubblewrap] {
        let lab = lab(kind, Resources { pids: Some(64), ..Resources::default() });
        let told = lab.python(FORKS).await;
        assert_eq!(told.output, "refused: EAGAIN\nfew: True\n", "{kind:?}");
        assert_eq!(told.outcome.verdict, Verdict::Succeeded, "one that can live with it may");
        assert_eq!(groups(&lab), Vec::<PathBuf>::new());

        let told = lab.script("shell python3 attack.py\nexit 3").await;
        let (reason, message) = told.failure().expect("it failed");
        assert_eq!(reason, FailureReason::PidsLimit, "{kind:?}");
        assert!(message.contains("64 processes"), "{message}");
    }
}

#[tokio::test]
async fn row_29_a_memory_hog_is_killed_and_told_of() {
    if !has_control_groups() || !has_bubblewrap().await {
        return;
    }
    for kind in [SandboxKind::Process, SandboxKind::Bubblewrap] {
        let resources = Resources { memory: ByteSize::new(64 << 20), ..Resources::default() };
        let lab = lab(kind, resources);
        let hog = r#"hog = [bytearray(1 << 20) for _ in range(500)]; print("fed")"#;
        std::fs::write(lab.dirs.work().join("hog.py"), hog).expect("written");
        let told = lab.script("shell python3 hog.py\nexit 3").await;
        assert!(!told.output.contains("fed"), "{}", told.output);
        let (reason, message) = told.failure().expect("it failed");
        assert_eq!(reason, FailureReason::MemoryLimit, "{kind:?}: {message}");
        assert!(message.contains("67108864 bytes"), "{message}");
        assert_eq!(groups(&lab), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn row_29_all_of_a_run_is_in_its_group_before_its_first_instruction() {
    if !has_control_groups() || !has_bubblewrap().await {
        return;
    }
    let resources = Resources { memory: ByteSize::new(256 << 20), cpus: Cpus::new(500), pids: Some(64) };
    let lab = lab(SandboxKind::Bubblewrap, resources);
    let mut going = lab.start("text ready\nhang");
    going.until_text().await;
    let groups_now = groups(&lab);
    assert_eq!(groups_now.len(), 3, "{groups_now:?}");
    for group in &groups_now {
        let processes = std::fs::read_to_string(group.join("cgroup.procs")).expect("read");
        assert_eq!(processes.lines().count(), 2, "the first process inside and the agent");
    }
    let cpu = groups_now.iter().find(|it| it.join("cpu.cfs_quota_us").exists()).expect("processors are limited");
    assert_eq!(std::fs::read_to_string(cpu.join("cpu.cfs_quota_us")).expect("read").trim(), "50000");
    going.cancel().await;
    assert_eq!(groups(&lab), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn groups_of_runs_whose_server_is_gone_are_swept() {
    if !has_control_groups() || !has_bubblewrap().await {
        return;
    }
    let lab = lab(SandboxKind::Process, Resources { pids: Some(64), ..Resources::default() });
    let mut going = lab.start("text ready\nhang");
    going.until_text().await;
    let group = groups(&lab).remove(0);
    let left = group.with_file_name("gone:exe_1:1");
    let of_another = group.with_file_name("gone-too:exe_1:1");
    for directory in [&left, &of_another] {
        std::fs::create_dir(directory).expect("made");
    }
    lab.runner.sweep("gone").await.expect("swept");
    assert!(!left.exists() && of_another.exists() && group.exists());
    std::fs::remove_dir(of_another).expect("removed");
    going.cancel().await;
}

#[tokio::test]
async fn row_29_descriptors_core_dumps_and_temporary_files_are_held() {
    if !has_bubblewrap().await {
        return;
    }
    let script = r#"
import resource
files = []
try:
    while len(files) < 100_000:
        files.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(f"open: {errno.errorcode[error.errno]}")
for it in files:
    os.close(it)
print(f"few: {len(files) <= 16384}")
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))
except ValueError:
    print("more: refused")
print(f"core: {resource.getrlimit(resource.RLIMIT_CORE)}")
for place in ["/tmp", "/dev/shm"]:
    attempt(place, lambda: os.posix_fallocate(os.open(f"{place}/big", os.O_CREAT | os.O_WRONLY), 0, 10 << 30))
"#;
    Lab::new(1000).python(script).await.check(&[
        ("open", "EMFILE"),
        ("few", "True"),
        ("more", "refused"),
        ("core", "(0, 0)"),
        ("/tmp", "ENOSPC"),
        ("/dev/shm", "ENOSPC"),
    ]);
    eprintln!(
        "SKIPPED row 29, files of the workspace: what a run takes on the disk is watched by the server (`disk_limit`)"
    );
}
