//! Workspaces with real directories and real git.
#![cfg(test)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork_model::{EventBody, FailureReason, Ids, Repository, Timestamp, Verdict};
use legwork_runner::workspace::{
    Errand, Exclusive, ExistingError, GitSetup, Patch, PatchError, PatchLimits, RemoteError, RepositoryError,
    RepositoryPolicy, SkippedBecause, Source, bring_up_to_date, clone, existing, existing_or_new,
};
use legwork_runner::{Cookie, Output, RunDirs, Runner, StopReason, Workspace};
use tokio::sync::{mpsc, watch};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A run without an agent: whatever an agent would do to the workspace, the test does.
struct Lab {
    data: tempfile::TempDir,
    runner: Runner,
    dirs: RunDirs,
    git: GitSetup,
    limits: PatchLimits,
}

impl Lab {
    fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let execution = Ids::from_system().execution(Timestamp::from_millis(1_772_366_400_000));
        let dirs = RunDirs::create(data.path(), execution).expect("directories");
        let git = GitSetup {
            program: "git".into(),
            path: PATH.into(),
            cookie: Cookie::new("lab", execution, 1),
            deadline: Duration::from_secs(20),
            askpass: "/nowhere".into(),
            ssh: None,
        };
        Self { data, runner: Runner::new().expect("a runner"), dirs, git, limits: PatchLimits::default() }
    }

    async fn clone(&self, repository: &Repository, policy: &RepositoryPolicy) -> Result<Option<String>, RemoteError> {
        let (_stop, stop) = watch::channel(None);
        let source = Source { repository, policy, token: None };
        clone(&self.errand(stop, mpsc::channel(100).0), source, &self.dirs.work()).await
    }

    /// Gives also the events of the passage.
    async fn bring_up_to_date(&self, repository: &Repository) -> (Result<Option<String>, RemoteError>, Vec<EventBody>) {
        let (_stop, stop) = watch::channel(None);
        let (events, mut told) = mpsc::channel(100);
        let source = Source { repository, policy: &local(), token: None };
        let result = bring_up_to_date(&self.errand(stop, events), source, &self.dirs.work()).await;
        let mut bodies = Vec::new();
        told.recv_many(&mut bodies, 100).await;
        (result, bodies)
    }

    fn errand(&self, stop: watch::Receiver<Option<StopReason>>, events: mpsc::Sender<EventBody>) -> Errand<'_> {
        Errand { runner: &self.runner, git: &self.git, dirs: &self.dirs, stop, events }
    }

    /// What `work` changes in a directory that `prepare` filled, as a patch.
    async fn patch_of(&self, prepare: impl FnOnce(&Path), work: impl FnOnce(&Path)) -> (Patch, String) {
        prepare(&self.dirs.work());
        let mut workspace = Workspace::filled(self.dirs.work());
        workspace.take_baseline(&self.runner, &self.git, &self.dirs, self.limits).await.expect("a baseline");
        work(&self.dirs.work());
        self.patch(workspace).await
    }

    async fn fresh_patch(&self, work: impl FnOnce(&Path)) -> (Patch, String) {
        work(&self.dirs.work());
        self.patch(Workspace::fresh(self.dirs.work())).await
    }

    async fn patch(&self, workspace: Workspace) -> (Patch, String) {
        let patch = workspace.patch(&self.runner, &self.git, &self.dirs, self.limits).await.expect("a patch");
        let Patch { diff, truncated, skipped } = patch;
        let text = String::from_utf8(diff.read().expect("a diff")).expect("text");
        (Patch { diff: Output::default(), truncated, skipped }, text)
    }
}

#[expect(clippy::disallowed_methods, reason = "repositories for a test are made by git itself")]
fn git(directory: &Path, arguments: &str) -> String {
    let output = std::process::Command::new("git")
        .args(arguments.split(' '))
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "a")])
        .env("GIT_COMMITTER_EMAIL", "a@b")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn write(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, content).expect("written");
}

/// A repository with the branches `main` and `other`, as a URL, and the commit that `main` is at.
fn origin(directory: &Path) -> (String, String) {
    let path = directory.join("origin");
    fs::create_dir(&path).expect("made");
    git(&path, "init -q -b main");
    write(path.join("README"), "hello\n");
    git(&path, "add -A");
    git(&path, "commit -q -m first");
    git(&path, "branch other");
    write(path.join("README"), "hello again\n");
    git(&path, "commit -q -a -m second");
    (format!("file://{}", path.display()), git(&path, "rev-parse HEAD"))
}

fn local() -> RepositoryPolicy {
    RepositoryPolicy { schemes: vec!["file".into()], ..RepositoryPolicy::default() }
}

fn repository(url: &str, branch: Option<&str>) -> Repository {
    Repository { url: url.into(), branch: branch.map(str::to_owned) }
}

#[tokio::test]
async fn a_clone_has_the_newest_commit_of_its_branch() {
    for (branch, content) in [(None, "hello again\n"), (Some("other"), "hello\n")] {
        let lab = Lab::new();
        let (url, newest) = origin(lab.data.path());
        let commit = lab.clone(&repository(&url, branch), &local()).await.expect("cloned").expect("a commit");
        assert_eq!(commit == newest, branch.is_none());
        assert_eq!(fs::read_to_string(lab.dirs.work().join("README")).expect("a file"), content);
        assert_eq!(git(&lab.dirs.work(), "rev-list --count HEAD"), "1", "no more history than needed");
        assert_eq!(fs::read_dir(lab.dirs.home()).expect("home").count(), 1, "nothing is at home but the workspace");
    }
}

#[tokio::test]
async fn a_clone_that_fails_says_what_git_said() {
    let lab = Lab::new();
    let (url, _) = origin(lab.data.path());
    for (url, branch, said) in [(url.as_str(), Some("nowhere"), "nowhere"), ("file:///no/such/repo", None, "no/such")] {
        let error = lab.clone(&repository(url, branch), &local()).await.expect_err("it fails");
        let Verdict::Failed(failure) = error.verdict() else { panic!("not a failure") };
        assert_eq!(failure.reason, FailureReason::WorkspaceFailed);
        assert!(failure.message.contains(said), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_host_that_leads_back_to_us_is_not_asked() {
    let lab = Lab::new();
    let policy = RepositoryPolicy::default();
    let refused = lab.clone(&repository("https://127.0.0.1/a", None), &policy).await.expect_err("refused");
    assert!(matches!(&refused, RemoteError::Refused(RepositoryError::PrivateAddress(_))), "{refused:?}");
    assert_eq!(refused.verdict().state(), legwork_model::ExecutionState::Failed);
}

#[tokio::test]
async fn a_clone_that_takes_too_long_or_is_cancelled_ends() {
    let lab = Lab::new();
    // Listens, accepts, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/a", listener.local_addr().expect("an address"));
    let policy = RepositoryPolicy { schemes: vec!["http".into()], allow_private_addresses: true, allowed_hosts: None };

    let hasty = GitSetup { deadline: Duration::from_secs(1), ..lab.git.clone() };
    let (_stop, stopped) = watch::channel(None);
    let slow = repository(&url, None);
    let source = Source { repository: &slow, policy: &policy, token: None };
    let hasty = Errand { git: &hasty, ..lab.errand(stopped, mpsc::channel(1).0) };
    let late = clone(&hasty, source, &lab.dirs.work()).await.expect_err("too late");
    let Verdict::Failed(failure) = late.verdict() else { panic!("not a failure") };
    assert_eq!(failure.reason, FailureReason::StartTimeout);

    let (stop, stopped) = watch::channel(None);
    let (errand, work) = (lab.errand(stopped, mpsc::channel(1).0), lab.dirs.work());
    let cloning = clone(&errand, source, &work);
    let cancelling = async {
        let connection = tokio::task::spawn_blocking(move || listener.accept().map(drop)).await;
        connection.expect("no panic").expect("git asks");
        stop.send_replace(Some(StopReason::Cancelled { message: "enough".into() }));
    };
    let (result, ()) = tokio::join!(cloning, cancelling);
    assert_eq!(result.expect_err("stopped").verdict(), Verdict::Cancelled { message: "enough".into() });
    assert_eq!(lab.runner.live_runs(), 0);
}

#[test]
fn an_existing_workspace_is_one_inside_of_an_allowed_root() {
    let data = tempfile::tempdir().expect("a directory");
    let base = data.path().canonicalize().expect("a path");
    let root = base.join("allowed");
    fs::create_dir_all(root.join("project/sub")).expect("made");
    fs::create_dir_all(base.join("allowed-not/project")).expect("made");
    symlink(&base, root.join("out")).expect("linked");
    symlink(root.join("project"), root.join("in")).expect("linked");
    symlink("/etc", root.join("project/etc")).expect("linked");
    write(root.join("file"), "");
    let roots = [root.clone()];
    let at = |path: &str| root.join(path).display().to_string();

    for (path, found) in [("project", "project"), ("project/sub/", "project/sub"), ("in", "project"), ("", "")] {
        assert_eq!(existing(&at(path), &roots), Ok(root.join(found)), "{path}");
    }
    let not_allowed = || Err(ExistingError::NotAllowed(root.display().to_string()));
    let not_plain = || Err(ExistingError::NotPlain);
    let table = [
        (String::new(), not_plain()),
        ("project".to_owned(), not_plain()),
        ("./project".to_owned(), not_plain()),
        ("~/project".to_owned(), not_plain()),
        (at("project\0"), not_plain()),
        (at("project/../../outside"), not_plain()),
        (at("~root"), not_plain()),
        ("/".to_owned(), not_allowed()),
        ("/etc".to_owned(), not_allowed()),
        ("/no/such/place".to_owned(), not_allowed()),
        (base.display().to_string(), not_allowed()),
        (base.join("allowed-not/project").display().to_string(), not_allowed()),
        (at("out"), not_allowed()),
        (at("out/allowed-not"), not_allowed()),
        (at("project/etc"), not_allowed()),
        (at("file"), Err(ExistingError::NotADirectory(root.join("file")))),
        (at("missing"), Err(ExistingError::NotADirectory(root.join("missing")))),
        (at("project/%2e%2e"), Err(ExistingError::NotADirectory(root.join("project/%2e%2e")))),
    ];
    for (path, expected) in table {
        assert_eq!(existing(&path, &roots), expected, "{path:?}");
    }
    assert_eq!(existing(&at("project"), &[]), Err(ExistingError::NoneAllowed));
}

#[tokio::test]
async fn an_untouched_workspace_has_an_empty_patch() {
    let lab = Lab::new();
    let (patch, text) = lab.fresh_patch(|_| {}).await;
    assert!(text.is_empty() && !patch.truncated && patch.skipped.is_empty(), "{patch:?}");

    let (patch, text) = lab.patch_of(|work| write(work.join("a"), "a\n"), |_| {}).await;
    assert!(text.is_empty() && !patch.truncated && patch.skipped.is_empty(), "{patch:?}");
}

#[tokio::test]
async fn new_changed_and_deleted_files_are_in_the_patch() {
    let lab = Lab::new();
    let prepare = |work: &Path| {
        write(work.join("kept"), "kept\n");
        write(work.join("changed"), "before\n");
        write(work.join("gone"), "gone\n");
        write(work.join("script"), "#!/bin/sh\n");
    };
    let work = |work: &Path| {
        write(work.join("changed"), "after!\n");
        fs::remove_file(work.join("gone")).expect("removed");
        write(work.join("new/a file"), "new\n");
        write(work.join("data"), [0, 159, 146, 150]);
        symlink("/etc/passwd", work.join("link")).expect("linked");
        fs::set_permissions(work.join("script"), fs::Permissions::from_mode(0o755)).expect("set");
    };
    let (patch, text) = lab.patch_of(prepare, work).await;
    for expected in [
        "-before\n+after!\n",
        "deleted file mode 100644",
        "+++ b/new/a file",
        "GIT binary patch",
        "new file mode 120000",
        "+/etc/passwd\n\\ No newline",
        "old mode 100644\nnew mode 100755",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
    assert!(!text.contains("kept") && !text.contains("root:"), "{text}");
    assert_eq!((patch.truncated, patch.skipped), (false, vec![]));
}

#[tokio::test]
async fn a_patch_can_be_applied() {
    let lab = Lab::new();
    let (_, text) = lab
        .patch_of(
            |work| write(work.join("a"), "one\ntwo\n"),
            |work| {
                write(work.join("a"), "one\n2\n");
                write(work.join("b\nc\"d"), [0, 1, 2]);
            },
        )
        .await;
    let target = lab.data.path().join("target");
    write(target.join("a"), "one\ntwo\n");
    write(target.join("p.diff"), text);
    git(&target, "init -q");
    git(&target, "apply p.diff");
    assert_eq!(fs::read_to_string(target.join("a")).expect("a file"), "one\n2\n");
    assert_eq!(fs::read(target.join("b\nc\"d")).expect("a file"), [0, 1, 2]);
}

#[tokio::test]
async fn what_gitignore_leaves_out_is_not_in_the_patch() {
    let lab = Lab::new();
    let work = |work: &Path| {
        write(work.join(".gitignore"), "target/\n");
        write(work.join("target/large"), "built\n");
        write(work.join("source"), "written\n");
    };
    let (_, text) = lab.fresh_patch(work).await;
    assert!(text.contains("+written") && !text.contains("built"), "{text}");
}

#[tokio::test]
async fn a_hostile_repository_has_no_say() {
    let lab = Lab::new();
    let touched = lab.data.path().join("touched");
    let command = format!("touch {}", touched.display());
    let prepare = |work: &Path| {
        git(work, "init -q");
        write(work.join("a"), "before\n");
    };
    let work = |work: &Path| {
        let config = format!(
            "[core]\n\tfsmonitor = {command}\n\thooksPath = hooks\n[filter \"x\"]\n\tclean = {command}\n\trequired\n\
             [diff \"x\"]\n\ttextconv = {command}\n\tcommand = {command}\n[diff]\n\texternal = {command}\n"
        );
        for repository in [".git", "nested/.git"] {
            write(work.join(repository).join("config"), &config);
            write(work.join(repository).join("hooks/post-index-change"), format!("#!/bin/sh\n{command}\n"));
        }
        write(work.join(".git/config"), &config);
        write(work.join(".gitattributes"), "* filter=x diff=x text eol=crlf working-tree-encoding=UTF-16\n");
        write(work.join("a"), "after\n");
        write(work.join("nested/.git/HEAD"), "ref: refs/heads/main\n");
        fs::create_dir_all(work.join("nested/.git/objects")).expect("made");
        fs::create_dir_all(work.join("nested/.git/refs")).expect("made");
        write(work.join("nested/inner"), "inner\n");
    };
    let (_, text) = lab.patch_of(prepare, work).await;
    assert!(text.contains("-before\n+after\n") && text.contains("b/nested/inner"), "{text}");
    assert!(!text.contains("fsmonitor"), "nothing of .git is in {text}");
    assert!(!touched.exists(), "a command of the repository was run");
}

#[tokio::test]
async fn what_can_not_be_read_is_passed_over_and_what_is_too_large_is_said() {
    let mut lab = Lab::new();
    lab.limits.largest_file = 1000;
    let work = |work: &Path| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            work.join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a fifo");
        drop(std::os::unix::net::UnixListener::bind(work.join("socket")).expect("a socket"));
        symlink(work, work.join("loop")).expect("linked");
        symlink("/nowhere", work.join("dangling")).expect("linked");
        write(work.join("large"), vec![b'x'; 1001]);
        write(work.join("small"), "small\n");
    };
    let (patch, text) = lab.fresh_patch(work).await;
    assert!(text.contains("+small") && text.contains("b/dangling") && text.contains("b/loop"), "{text}");
    assert!(!text.contains("fifo") && !text.contains("socket") && !text.contains("large"), "{text}");
    let skipped: Vec<_> = patch.skipped.iter().map(|it| (it.path.as_path(), it.because)).collect();
    assert_eq!(skipped, [(Path::new("large"), SkippedBecause::TooLarge)]);
}

#[tokio::test]
async fn a_patch_that_is_too_large_is_cut_off_and_says_so() {
    let mut lab = Lab::new();
    lab.limits.patch = 1000;
    let (patch, text) = lab.fresh_patch(|work| write(work.join("a"), "line\n".repeat(1000))).await;
    assert!(patch.truncated);
    assert!(text.ends_with("\n# The patch was cut off here, after 1000 bytes.\n"), "{text}");

    lab.limits.all_files = 1000;
    let error = Workspace::fresh(lab.dirs.work()).patch(&lab.runner, &lab.git, &lab.dirs, lab.limits).await;
    assert!(matches!(error, Err(PatchError::TooLarge(1000))), "{error:?}");
}

#[tokio::test]
async fn a_clone_and_what_an_agent_does_to_it() {
    let lab = Lab::new();
    let (url, _) = origin(lab.data.path());
    lab.clone(&repository(&url, None), &local()).await.expect("cloned");
    let (_, text) = lab
        .patch_of(
            |_| {},
            |work| {
                write(work.join("README"), "bye\n");
                // What is committed is changed all the same.
                git(work, "commit -q -a -m third");
            },
        )
        .await;
    assert!(text.contains("-hello again\n+bye\n"), "{text}");
}

#[tokio::test]
async fn a_workspace_that_was_not_looked_at_before_has_no_patch() {
    let lab = Lab::new();
    let workspace = Workspace::filled(lab.dirs.work());
    let error = workspace.patch(&lab.runner, &lab.git, &lab.dirs, lab.limits).await;
    assert!(matches!(error, Err(PatchError::NoBaseline)), "{error:?}");
}

#[tokio::test]
async fn git_that_is_missing_is_asked_for() {
    let lab = Lab::new();
    let git = GitSetup { path: "/nowhere".into(), ..lab.git.clone() };
    write(lab.dirs.work().join("a"), "a\n");
    let error = Workspace::fresh(lab.dirs.work()).patch(&lab.runner, &git, &lab.dirs, lab.limits).await;
    let message = error.expect_err("no git").to_string();
    assert!(message.contains("apt-get install git"), "{message}");
}

#[tokio::test]
async fn a_kept_clone_is_brought_up_to_date_and_keeps_what_is_not_in_the_repository() {
    let lab = Lab::new();
    let (url, second) = origin(lab.data.path());
    let (source, work) = (lab.data.path().join("origin"), lab.dirs.work());
    for branch in [None, Some("main")] {
        let (commit, _) = lab.bring_up_to_date(&repository(&url, branch)).await;
        assert_eq!(commit.expect("cloned or fetched"), Some(second.clone()), "{branch:?}");
    }
    // What an agent may leave behind.
    write(work.join("README"), "scribbled over\n");
    write(work.join("node_modules/cache"), "kept\n");
    git(&work, "checkout -q -b elsewhere");
    write(work.join(".git/index.lock"), "");

    write(source.join("new"), "new\n");
    git(&source, "add -A");
    git(&source, "rm -q README");
    git(&source, "commit -q -m third");
    let third = git(&source, "rev-parse HEAD");
    let (commit, told) = lab.bring_up_to_date(&repository(&url, None)).await;
    assert_eq!(commit.expect("fetched"), Some(third));
    assert!(told.iter().any(|event| matches!(event, EventBody::RepositoryProgress { percent: 100, .. })), "{told:?}");
    assert_eq!(git(&work, "status --porcelain"), "?? node_modules/");
    assert_eq!(git(&work, "rev-parse --abbrev-ref HEAD@{upstream}"), "origin/main");
    assert!(!work.join("README").exists() && work.join("node_modules/cache").exists());
}

#[tokio::test]
async fn nothing_that_an_agent_wrote_into_a_repository_is_run_or_followed() {
    let lab = Lab::new();
    let (url, newest) = origin(lab.data.path());
    let (work, proof) = (lab.dirs.work(), lab.data.path().join("proof"));
    lab.bring_up_to_date(&repository(&url, None)).await.0.expect("cloned");
    let run = format!("touch {}", proof.display());
    let hook = format!("#!/bin/sh\n{run}\n");
    for name in ["post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"] {
        let path = work.join(".git/hooks").join(name);
        write(path.clone(), &hook);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    for (name, value) in [("core.fsmonitor", &run), ("core.sshCommand", &run), ("filter.x.smudge", &run)] {
        write(work.join(".git/config"), format!("{}\n", fs::read_to_string(work.join(".git/config")).expect("text")));
        let (section, key) = name.rsplit_once('.').expect("two parts");
        let section = section.split_once('.').map_or(section.to_owned(), |(one, two)| format!("{one} \"{two}\""));
        let config = fs::read_to_string(work.join(".git/config")).expect("text");
        write(work.join(".git/config"), format!("{config}\n[{section}]\n\t{key} = {value}\n"));
    }
    write(work.join(".git/info/attributes"), "* filter=x\n");
    write(work.join(".git/objects/info/alternates"), "/etc\n");
    write(work.join(".git/commondir"), "/etc\n");
    assert_eq!(lab.bring_up_to_date(&repository(&url, None)).await.0.expect("fetched"), Some(newest.clone()));
    assert!(!proof.exists(), "something was run");

    symlink("/etc", work.join(".git/refs/way-out")).expect("linked");
    let refused = lab.bring_up_to_date(&repository(&url, None)).await.0.expect_err("refused");
    assert!(refused.to_string().contains("way-out is neither file nor directory"), "{refused}");
    fs::remove_dir_all(work.join(".git")).expect("removed");
    let refused = lab.bring_up_to_date(&repository(&url, None)).await.0.expect_err("refused");
    assert!(refused.to_string().contains("holds files but no git repository"), "{refused}");
    write(work.join(".git"), "gitdir: /etc\n");
    let refused = lab.bring_up_to_date(&repository(&url, None)).await.0.expect_err("refused");
    assert!(refused.to_string().contains("it is no directory"), "{refused}");

    // A branch's name can't get out of the line of the configuration that it is in.
    let lab = Lab::new();
    let (url, _) = origin(lab.data.path());
    git(&lab.data.path().join("origin"), "branch x\"y#;");
    for _ in 0..2 {
        lab.bring_up_to_date(&repository(&url, Some("x\"y#;"))).await.0.expect("up to date");
    }
    assert_eq!(git(&lab.dirs.work(), "rev-parse --abbrev-ref @{upstream}"), "origin/x\"y#;");
}

#[tokio::test]
async fn what_a_killed_git_left_and_what_is_around_the_runs_has_no_say() {
    let lab = Lab::new();
    let (url, _) = origin(lab.data.path());
    lab.bring_up_to_date(&repository(&url, None)).await.0.expect("cloned");
    write(lab.dirs.work().join(".git/refs/remotes/origin/main.lock"), "");
    git(lab.data.path(), "init -q");
    git(lab.data.path(), "config url.file:///nowhere.insteadOf file:///");
    git(&lab.data.path().join("origin"), "commit -q --allow-empty -m third");
    lab.bring_up_to_date(&repository(&url, None)).await.0.expect("brought up to date");
}

#[tokio::test]
async fn a_clone_that_was_cut_off_is_no_clone_and_a_token_that_is_too_long_is_none() {
    let mut lab = Lab::new();
    let (url, _) = origin(lab.data.path());
    let (_stop, stop) = watch::channel(None);
    let (repository, policy) = (repository(&url, None), local());
    let source = Source { repository: &repository, policy: &policy, token: Some(&"x".repeat(100_000)) };
    let refused = clone(&lab.errand(stop, mpsc::channel(1).0), source, &lab.dirs.work()).await;
    assert!(refused.expect_err("refused").to_string().contains("too long"));

    let chatty = lab.data.path().join("git");
    write(chatty.clone(), "#!/bin/sh\nhead -c 17000000 /dev/zero | tr '\\0' '.' >&2\nexec sleep 30\n");
    fs::set_permissions(&chatty, fs::Permissions::from_mode(0o755)).expect("executable");
    lab.git.program = chatty;
    let cut_off = lab.clone(&repository, &policy).await.expect_err("it is not whole");
    assert!(cut_off.to_string().contains("it printed more than"), "{cut_off}");
}

#[tokio::test]
async fn a_kept_workspace_is_for_one_at_a_time() {
    let lab = Lab::new();
    let work = lab.dirs.work();
    let first = Exclusive::wait(&work).await.expect("a right");
    let waiting = Exclusive::wait(&work);
    tokio::pin!(waiting);
    assert!(futures_pending(waiting.as_mut()).await, "two have it");
    drop(first);
    waiting.await.expect("it is free");
}

/// Whether a future is not ready after a moment in which it could be.
async fn futures_pending(future: impl Future + Unpin) -> bool {
    tokio::time::timeout(Duration::from_millis(300), future).await.is_err()
}

#[test]
fn a_directory_that_is_not_there_yet_is_judged_by_where_it_would_be() {
    let data = tempfile::tempdir().expect("a directory");
    let root = data.path().canonicalize().expect("resolved").join("root");
    fs::create_dir(&root).expect("made");
    symlink("/etc", root.join("way-out")).expect("linked");
    write(root.join("file"), "");
    let roots = [root.clone()];
    let at = |path: &str| existing_or_new(&root.join(path).display().to_string(), &roots);
    assert_eq!(at("a/b"), Ok(root.join("a/b")));
    assert_eq!(at(""), Ok(root.clone()));
    for wrong in ["way-out/x", "../x", "a/../../x", "file/x", "file"] {
        assert!(at(wrong).is_err(), "{wrong}");
    }
    assert!(existing_or_new("/nowhere/x", &roots).is_err());
}
