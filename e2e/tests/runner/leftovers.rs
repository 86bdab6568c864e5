//! What a crashed server left behind is found by its mark.

use legwork_runner::Cookie;

use crate::lab::{is_alive, marker, processes_with, runner, scripted_agent};

/// Starts what an earlier server would have started, and gives its pid.
#[expect(clippy::disallowed_methods, reason = "it has to be a process that the runner knows nothing of")]
fn stray(cookie: &str, arguments: &[&str]) -> std::process::Child {
    let mut command = std::process::Command::new(scripted_agent());
    command.args(arguments).env("LEGWORK_RUN", cookie).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut ready = [0];
    std::io::Read::read_exact(child.stderr.as_mut().expect("piped"), &mut ready).expect("it lives");
    child
}

fn pid(child: &std::process::Child) -> i32 {
    i32::try_from(child.id()).expect("a pid")
}

#[tokio::test]
async fn a_sweep_ends_what_has_our_mark_and_nothing_else() {
    let (ours, theirs, ours_below) = (marker(), marker(), marker());
    let mut stubborn = stray("crashed/exe_1/4", &["--become", "stubborn", "--marker", &ours]);
    let below = ["--become", "parent", "--child", "stubborn", "--marker", &ours_below];
    let mut parent = stray("crashed/exe_2/1", &below);
    let mut other = stray("crashed-too/exe_3/1", &["--become", "sleeper", "--marker", &theirs]);

    let mut found = runner().sweep("crashed").await.expect("swept");

    found.sort_by_key(|leftover| leftover.cookie.as_ref().map(ToString::to_string));
    let cookies: Vec<_> = found.iter().filter_map(|leftover| leftover.cookie.as_ref()).map(Cookie::as_str).collect();
    assert_eq!(cookies, ["crashed/exe_1/4", "crashed/exe_2/1"]);
    assert!(found[0].command.contains(&ours), "{found:?}");
    assert!(!is_alive(pid(&stubborn)));
    assert_eq!(processes_with("cmdline", &ours_below), Vec::<i32>::new());
    assert!(is_alive(pid(&other)));
    other.kill().expect("ended");
    for child in [&mut stubborn, &mut other] {
        child.wait().expect("waited for");
    }
    // This one made a session of its own and ended: it looks like an orphan, and may have been reaped as one.
    _ = parent.wait();
    assert_eq!(runner().sweep("crashed").await.expect("swept"), []);
}
