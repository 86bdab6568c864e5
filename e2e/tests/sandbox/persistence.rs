//! What outlasts a run.

use std::path::Path;

use crate::lab::{Attacker, Lab};

as_each_user! {
    row_26_what_git_obeys_later_can_not_be_changed_but_work_can_be_committed,
    row_26_nothing_is_written_outside_of_the_runs_directories,
    row_27_a_link_leads_nowhere_from_inside_and_is_not_followed_from_outside,
}

in_containers! {
    row_26_what_git_obeys_later_can_not_be_changed_but_work_can_be_committed,
    row_26_nothing_is_written_outside_of_the_runs_directories,
    row_27_a_link_leads_nowhere_from_inside_and_is_not_followed_from_outside,
}

async fn row_26_what_git_obeys_later_can_not_be_changed_but_work_can_be_committed(attacker: Attacker) {
    let lab = Lab::new(attacker);
    // A repository as a clone leaves it.
    let init = lab.shell("git init -q --template= -b main . && git config user.name a && git config user.email a@b && mkdir -p .git/hooks && git commit -q --allow-empty -m first").await;
    assert_eq!(init.output, "");
    let before = std::fs::read_to_string(lab.dirs.work().join(".git/config")).expect("a configuration");
    let script = r#"
def run(line):
    return os.waitstatus_to_exitcode(os.system(f"({line}) >/dev/null 2>&1")) == 0
open("new", "w").write("text")
attempt("commit", lambda: str(run("git add new && git commit -qm second && git branch other && git checkout -q other && git stash list")))
attempt("hook", lambda: open(".git/hooks/pre-commit", "w") and None)
attempt("hooks away", lambda: os.rename(".git/hooks", ".git/away"))
attempt("config", lambda: open(".git/config", "a") and None)
attempt("config replaced", lambda: (open(".git/mine", "w").close(), os.rename(".git/mine", ".git/config")) and None)
attempt("config removed", lambda: os.unlink(".git/config"))
attempt("fsmonitor", lambda: str(run("git config core.fsmonitor ./evil")))
attempt("repository away", lambda: os.rename(".git", "away"))
attempt("workspace away", lambda: os.rename(os.getcwd(), os.getcwd() + "-away"))
attempt("hard link", lambda: os.link("/bin/cat", "cat"))
"#;
    lab.python(script).await.check(&[
        ("commit", "True"),
        ("hook", "EROFS"),
        ("hooks away", "EBUSY"),
        ("config", "EROFS"),
        ("config replaced", "EBUSY"),
        ("config removed", "EBUSY"),
        ("fsmonitor", "False"),
        ("repository away", "EBUSY"),
        ("workspace away", "EBUSY"),
        ("hard link", "EXDEV"),
    ]);
    let config = lab.dirs.work().join(".git/config");
    assert_eq!(std::fs::read_to_string(config).expect("a configuration"), before);
}

async fn row_26_nothing_is_written_outside_of_the_runs_directories(attacker: Attacker) {
    let lab = Lab::new(attacker);
    let beside = lab.runs.path().join("beside");
    let script = format!(
        r#"
for path in ["/usr/bin/evil", "/etc/profile.d/evil", "/etc/ld.so.preload", "/opt/evil", "/evil", "/var/spool/cron/root", "{}"]:
    attempt(path, lambda: open(path, "w") and None)
for path in ["/root/.bashrc", "/home/evil", "/tmp/evil", "/run/evil"]:
    attempt(path, lambda: open(path, "w") and None)
"#,
        beside.display()
    );
    let told = lab.python(&script).await;
    let refused = told.output.lines().take(7);
    assert!(
        refused.clone().all(|line| ["EROFS", "ENOENT", "EACCES"].iter().any(|it| line.ends_with(it))
            || line.starts_with(&beside.display().to_string())),
        "{}",
        told.output
    );
    for path in ["/usr/bin/evil", "/opt/evil", "/home/evil", "/tmp/evil", "/run/evil"]
        .map(Path::new)
        .into_iter()
        .chain([&*beside])
    {
        assert!(!path.exists(), "{} was written", path.display());
    }
}

async fn row_27_a_link_leads_nowhere_from_inside_and_is_not_followed_from_outside(attacker: Attacker) {
    let place = tempfile::tempdir().expect("a directory");
    let canary = place.path().join("canary");
    std::fs::write(&canary, "canary").expect("written");
    let lab = Lab::new(attacker);
    let script = format!(
        r#"
os.symlink("{0}", "link")
os.symlink("{0}/canary", "file")
os.symlink("/etc", "etc")
attempt("directory", lambda: os.listdir("link"))
attempt("file", lambda: open("file").read())
attempt("shadow", lambda: open("etc/shadow").read())
attempt("root of the first process", lambda: open("/proc/1/root{0}/canary").read())
"#,
        place.path().display()
    );
    let told = lab.python(&script).await;
    assert!(told.output.lines().take(3).all(|line| line.ends_with(": ENOENT")), "{}", told.output);
    assert!(!told.output.contains("canary\n") || told.output.contains("EACCES"), "{}", told.output);
    // Its directories are removed, and what it linked to is not.
    lab.dirs.remove().expect("removed");
    assert_eq!(std::fs::read_to_string(&canary).expect("still there"), "canary");
}
