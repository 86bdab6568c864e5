//! Containers that serve more than one job.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork_model::{ByteSize, FailureReason};
use legwork_runner::{Attempt, Docker, DockerSettings};

use crate::attacks::without_a_route;
use crate::lab::{Done, Lab, PATIENCE, World};

/// A session: jobs with the same directories and the same container.
struct Session<'a> {
    world: &'a World,
    home: PathBuf,
}

impl<'a> Session<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, home: Lab::new(world, "").dirs.home() }
    }

    fn job(&self, script: &str, change: impl FnOnce(&mut Attempt)) -> Lab {
        Lab::with(self.world, script, |attempt| {
            attempt.workspace = self.home.join("work");
            attempt.confinement.writable = vec![self.home.clone()];
            attempt.confinement.container.keep = Some("session".into());
            change(attempt);
        })
    }

    async fn run(&self, script: &str) -> Done {
        self.job(script, |_| {}).run(self.world).await
    }

    fn container(&self) -> Vec<String> {
        self.world.engine().containers()
    }
}

pub(crate) async fn a_container_serves_one_job_after_the_other(world: Arc<World>) {
    let session = Session::new(&world);
    let given = |attempt: &mut Attempt| attempt.launch.env.push(("GIVEN".into(), "first".into()));
    let first = session.job("run echo $GIVEN; echo kept >file; id -u", given).run(&world).await;
    assert_eq!(first.texts(), ["first\n10001"]);
    let container = session.container();
    assert_eq!(container.len(), 1);
    let second = session.run("run echo $GIVEN.; cat file").await;
    assert_eq!(second.texts(), [".\nkept"], "the workspace is there, the variable is not");
    assert_eq!(session.run("stderr no\nexit 3").await.outcome.exit.and_then(|exit| exit.code), Some(3));
    let missing = session.job("", |attempt| attempt.launch.program = "no-such-agent".into()).run(&world).await;
    assert_eq!(missing.failure().0, FailureReason::SpawnFailed, "{:?}", missing.outcome);
    assert_eq!(session.container(), container);

    // Two at once take turns.
    let (one, other) = tokio::join!(
        session.run("run echo 1 >turn; sleep 0.3; cat turn"),
        session.run("run echo 2 >turn; sleep 0.3; cat turn")
    );
    assert_eq!((one.texts(), other.texts()), (vec!["1"], vec!["2"]));
    assert_eq!(session.container(), container);
    world.docker.put_away().await;
}

pub(crate) async fn nothing_of_a_job_is_left_for_the_next(world: Arc<World>) {
    let session = Session::new(&world);
    let script = "run echo secret >/tmp/x; mkdir -p /tmp/.h/d; echo s >/tmp/.h/d/y; echo s >/dev/shm/z; echo s >/run/w\n\
        ignore-term\nspawn detached stubborn m\nspawn holding stubborn m\nspawn cleared sleeper m\ntext done";
    assert_eq!(session.run(script).await.texts().last(), Some(&"done"));
    let container = session.container();
    let look = "run find /tmp /run /dev/shm -mindepth 1; cat /proc/[0-9]*/cmdline | tr -d '\\0' | cat; echo; ls /proc | head -100";
    let said = session.run(look).await;
    let said = said.texts()[0].to_owned();
    for left in ["/tmp/x", "/tmp/.h", "/dev/shm/z", "/run/w", "stubborn", "sleeper"] {
        assert!(!said.contains(left), "{left}: {said}");
    }
    assert_eq!(session.container(), container);

    let mut going = session.job("ignore-term\nspawn detached stubborn m\ntext on\nhang", |_| {}).start(&world.runner);
    going.until_text().await;
    going.cancel();
    assert_eq!(going.end().await.outcome.exit.and_then(|exit| exit.signal), Some(9));
    assert!(!session.run(look).await.texts()[0].contains("stubborn"));
    assert_eq!(session.container(), container);
    world.docker.put_away().await;
}

pub(crate) async fn another_configuration_is_another_container(world: Arc<World>) {
    let session = Session::new(&world);
    assert_eq!(session.run("text a").await.texts(), ["a"]);
    let before = session.container();
    let more = |attempt: &mut Attempt| attempt.confinement.resources.memory = ByteSize::new(256 << 20);
    assert_eq!(session.job("text b", more).run(&world).await.texts(), ["b"]);
    let after = session.container();
    assert_eq!(after.len(), 1, "the former one is removed");
    assert_ne!(before, after);
    world.engine().docker(&["rm", "--force", &after[0]]);
    assert_eq!(session.job("text c", more).run(&world).await.texts(), ["c"], "one that was removed is made anew");
    world.docker.put_away().await;
}

/// Also one that a job has made, and settings that were replaced outside between two jobs.
pub(crate) async fn what_git_obeys_is_guarded_in_every_job(world: Arc<World>) {
    let session = Session::new(&world);
    assert_eq!(
        session.run("run mkdir -p .git/hooks && echo made >.git/config && cat .git/config").await.texts(),
        ["made"]
    );
    let change = "run echo evil >.git/config; echo evil >.git/hooks/pre-commit; mv .git away; echo new >.git/index; cat .git/config";
    for settings in ["made", "replaced"] {
        let git = session.home.join("work/.git");
        std::fs::write(git.join("new"), settings).expect("written");
        std::fs::rename(git.join("new"), git.join("config")).expect("replaced");
        let done = session.run(change).await;
        let said = done.texts()[0];
        assert!(said.contains("busy") && said.starts_with(settings), "{said}");
        assert_eq!(std::fs::read_to_string(git.join("config")).expect("it"), settings);
        assert_eq!(std::fs::read_to_string(git.join("index")).expect("it"), "new\n");
        assert_eq!(std::fs::read_dir(git.join("hooks")).expect("it").count(), 0);
    }
    let container = session.container();
    assert!(session.run("text again").await.texts() == ["again"] && session.container() == container);
    world.docker.put_away().await;
}

pub(crate) async fn a_job_that_takes_too_much_takes_its_container_along(world: Arc<World>) {
    let session = Session::new(&world);
    let little = |attempt: &mut Attempt| attempt.confinement.resources.memory = ByteSize::new(64 << 20);
    let done = session.job("text a\ntake 400MB\ntext b", little).run(&world).await;
    assert_eq!(done.failure().0, FailureReason::MemoryLimit, "{:?}", done.outcome);
    assert_eq!(session.container(), Vec::<String>::new());
    let mut going = session.job("text on\nhang", little).start(&world.runner);
    going.until_text().await;
    going.ended.abort();
    until_none(&world).await;
}

pub(crate) async fn a_container_that_is_not_wanted_is_put_away(world: Arc<World>) {
    let docker = Docker::new(DockerSettings { sleep_after: Duration::from_millis(300), ..world.settings() });
    let runner = world.other(&docker);
    let session = Session::new(&world);
    assert_eq!(session.job("text a", |_| {}).start(&runner).end().await.texts(), ["a"]);
    until_none(&world).await;
}

/// Jobs of a project: each has directories of its own, and sees those of no other.
pub(crate) async fn jobs_with_directories_of_their_own_share_a_container(world: Arc<World>) {
    let mut containers = Vec::new();
    for _ in 0..3 {
        let script = "run ls ../.. | wc -l; ls -A; echo mine >file; echo evil >.git/config; rm -rf .git; ls .git/hooks; cat ../../*/home";
        let lab = Lab::with(&world, script, |attempt| {
            attempt.confinement.writable.truncate(1);
            attempt.confinement.container.keep = Some("project".into());
        });
        let (home, work) = (lab.dirs.home(), lab.dirs.work());
        std::fs::create_dir_all(work.join(".git/hooks")).expect("made");
        std::fs::write(work.join(".git/hooks/pre-commit"), "").expect("written");
        std::fs::write(work.join(".git/config"), "theirs").expect("written");
        std::fs::write(home.join("home"), "").expect("written");
        let done = lab.run(&world).await;
        let said: Vec<_> = done.texts()[0].lines().map(str::trim).collect();
        assert!(said[..2] == ["1", ".git"] && said.contains(&"pre-commit"), "{said:?}");
        assert_eq!(std::fs::read_to_string(work.join(".git/config")).expect("it"), "theirs");
        assert_eq!(std::fs::read_to_string(work.join("file")).expect("it"), "mine\n");
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(work.join("file")).expect("it"));
        assert_eq!(owner, 0, "it is ours again");
        let mounted = std::fs::read_to_string("/proc/self/mountinfo").expect("it");
        assert!(!mounted.contains(&*home.to_string_lossy()), "nothing of it is mounted outside");
        std::fs::remove_dir_all(home).expect("nobody has it");
        containers.extend(world.engine().containers());
    }
    containers.dedup();
    assert_eq!(containers.len(), 1, "the same for all");
    world.docker.put_away().await;
}

/// A directory of the project is there in each job, beside its own.
pub(crate) async fn a_project_has_its_own_directory(world: Arc<World>) {
    let project = tempfile::tempdir_in("/srv").expect("a directory");
    let mut containers = Vec::new();
    for count in ["1", "2"] {
        let lab = Lab::with(&world, "run echo job >>file; wc -l <file; echo $HOME >home", |attempt| {
            attempt.workspace = project.path().to_owned();
            attempt.confinement.writable = vec![attempt.confinement.writable.remove(0), project.path().to_owned()];
            attempt.confinement.container.keep = Some("project".into());
        });
        let home = lab.dirs.home();
        assert_eq!(lab.run(&world).await.texts(), [count]);
        let said = std::fs::read_to_string(project.path().join("home")).expect("it");
        assert_eq!(std::path::Path::new(said.trim()), home, "its home is its own");
        containers.extend(world.engine().containers());
    }
    containers.dedup();
    assert_eq!(containers.len(), 1, "the same for both");
    world.docker.put_away().await;
}

/// What an earlier job put in the place of a directory leads nowhere.
pub(crate) async fn a_link_in_the_place_of_a_directory_is_not_followed(world: Arc<World>) {
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(outside.path().join(".git/hooks")).expect("made");
    let lab = Lab::with(&world, "run cat work/.git/secret 2>&1; echo evil >work/.git/evil; echo over", |attempt| {
        let home = attempt.confinement.writable.remove(0);
        attempt.workspace.clone_from(&home);
        attempt.confinement.writable = vec![home];
        attempt.confinement.container.keep = Some("project".into());
    });
    std::fs::write(outside.path().join(".git/secret"), "hidden").expect("written");
    std::fs::remove_dir_all(lab.dirs.work()).expect("removed");
    std::os::unix::fs::symlink(outside.path(), lab.dirs.work()).expect("linked");
    let done = lab.run(&world).await;
    assert!(done.texts()[0].contains("over") && !done.texts()[0].contains("hidden"), "{:?}", done.texts());
    assert!(!outside.path().join(".git/evil").exists());
    world.docker.put_away().await;
}

/// It has nothing to do yet. Its container stays for the job, which has other directories.
pub(crate) async fn a_program_that_waits_for_its_job_gives_way_to_another(world: Arc<World>) {
    let project = |lab: &mut Lab| {
        lab.attempt.confinement.writable.truncate(1);
        lab.attempt.confinement.container.keep = Some("project".into());
    };
    assert!(world.docker.is_free("project"));
    let mut lab = Lab::new(&world, "");
    project(&mut lab);
    let waiting = lab.wait(&world.runner).await;
    let containers = world.engine().containers();
    assert!(waiting.is_alive() && !world.docker.is_free("project"));

    let mut lab = Lab::new(&world, "text on\nrun while ! [ -e go ]; do sleep 0.02; done");
    project(&mut lab);
    let work = lab.dirs.work();
    let mut going = lab.start(&world.runner);
    assert_eq!(going.until_text().await, "on");
    assert!(!waiting.is_alive());
    std::fs::write(work.join("go"), "").expect("written");
    going.end().await.texts();
    assert_eq!(world.engine().containers(), containers);
    assert!(world.docker.is_free("project"));
    waiting.end().await;
    world.docker.put_away().await;
}

/// Its container is put away when there was no job for a while, or the server ends.
pub(crate) async fn a_program_that_waits_ends_with_its_container(world: Arc<World>) {
    for sleep_after in [Duration::from_secs(1), PATIENCE] {
        let docker = Docker::new(DockerSettings { sleep_after, ..world.settings() });
        let runner = world.other(&docker);
        let kept = |lab: &mut Lab| lab.attempt.confinement.container.keep = Some("project".into());
        let mut lab = Lab::new(&world, "text done");
        kept(&mut lab);
        lab.start(&runner).end().await.texts();
        let mut lab = Lab::new(&world, "");
        kept(&mut lab);
        let waiting = lab.wait(&runner).await;
        if sleep_after == PATIENCE {
            docker.put_away().await;
        }
        until_none(&world).await;
        waiting.end().await;
    }
}

pub(crate) async fn an_uplink_of_each_job(world: Arc<World>) {
    let session = Session::new(&world);
    for word in ["one", "two"] {
        let own = |attempt: &mut Attempt| attempt.confinement.network = without_a_route(word);
        let done = session.job("connect 127.0.0.1:3128\nconnect 1.1.1.1:53", own).run(&world).await;
        let texts = done.texts();
        assert!(texts[0] == word && texts[1].contains("unreachable"), "{texts:?}");
    }
    assert_eq!(session.container().len(), 1);
    world.docker.put_away().await;
}

async fn until_none(world: &World) {
    let gone = async {
        while !world.engine().containers().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is removed");
}
