//! Secrets of the machine, and those of the run itself.

use std::collections::BTreeSet;

use crate::lab::{Attacker, Lab, new_execution};
use crate::outside::{Neighbour, arguments_of_processes_with};

as_each_user! {
    row_25_no_secret_of_the_machine_is_found,
    row_25_no_secret_of_the_run_is_among_arguments,
}

async fn row_25_no_secret_of_the_machine_is_found(attacker: Attacker) {
    let canary = format!("canary-{}", new_execution());
    let _neighbour = Neighbour::with(&canary);
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("credentials"), &canary).expect("written");
    let script = format!(
        r#"
needle = "ca" + "{}"
found = []
for directory, directories, files in os.walk("/proc"):
    directories[:] = [it for it in directories if it.isdigit()] if directory == "/proc" else []
    for name in ("environ", "cmdline"):
        try:
            if needle in open(f"{{directory}}/{{name}}").read():
                found.append(f"{{directory}}/{{name}}")
        except OSError:
            pass
print(f"in processes: {{found or 'none'}}")
for home in ["/root", "/home"]:
    attempt(home, lambda: os.listdir(home) or "empty")
for path in ["/etc/shadow", "/etc/sudoers", "/etc/ssl/private", "/etc/ssh", "/etc/npmrc", "/etc/gitconfig", "/etc/machine-id",
             "/root/.ssh", "/root/.aws", "/root/.npmrc", "/root/.docker/config.json", "/root/.config/gh", "/run/secrets",
             "/var/lib", "/sys", "/boot", "{}"]:
    attempt(path, lambda: os.stat(path) and None)
attempt("accounts", lambda: len(open("/etc/passwd").read().splitlines()))
"#,
        &canary[2..],
        place.path().display()
    );
    let told = Lab::new(attacker).python(&script).await;
    let mut lines = told.output.lines();
    assert_eq!(lines.next(), Some("in processes: none"), "{}", told.output);
    // The directory of the scripted agent may be below one of them.
    assert!(lines.next().is_some_and(|line| line.starts_with("/root: ")), "{}", told.output);
    assert!(lines.next().is_some_and(|line| line.starts_with("/home: ")), "{}", told.output);
    let (accounts, absent) = lines.partition::<Vec<_>, _>(|line| line.starts_with("accounts"));
    assert_eq!(accounts, [if attacker.user == 0 { "accounts: 2" } else { "accounts: 3" }]);
    assert!(absent.len() == 17 && absent.iter().all(|line| line.ends_with(": ENOENT")), "{}", told.output);
}

async fn row_25_no_secret_of_the_run_is_among_arguments(attacker: Attacker) {
    let secret = format!("secret-{}", new_execution());
    let mut lab = Lab::new(attacker);
    lab.env.push(("ANTHROPIC_API_KEY".to_owned(), secret.clone()));
    let mut going = lab.start("report\nshell env; ls -l /proc/self/fd; tr '\\0' '\\n' < /proc/1/environ\nhang");
    let report = going.until_text().await;
    let open = going.until_text().await;
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let arguments = arguments_of_processes_with(&secret);
    going.cancel().await;

    assert_eq!(report["env"]["ANTHROPIC_API_KEY"], secret.as_str());
    let names: BTreeSet<_> = report["env"].as_object().expect("an object").keys().cloned().collect();
    let mut expected: BTreeSet<_> = lab.launch("").env.into_iter().map(|(name, _)| name).collect();
    // The mark of the run, and the working directory, which bwrap tells.
    expected.extend(["LEGWORK_RUN".to_owned(), "PWD".to_owned()]);
    assert_eq!(names, expected);
    assert!(arguments.len() >= 2, "bwrap and the agent: {arguments:?}");
    assert!(arguments.iter().all(|it| !it.contains(&secret)), "{arguments:?}");
    assert!(!open.contains("memfd:"), "what bwrap was given is closed: {open}");
}
