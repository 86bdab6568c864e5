//! Runs beside each other.

use crate::lab::{Attacker, Lab};

as_each_user! {
    row_24_a_run_sees_nothing_of_another,
}

in_containers! {
    row_24_a_run_sees_nothing_of_another,
}

async fn row_24_a_run_sees_nothing_of_another(attacker: Attacker) {
    let (first, second) = (Lab::new(attacker), Lab::new(attacker));
    let server = r#"
import socket
for directory in ["/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]]:
    if os.access(directory, os.W_OK):
        open(f"{directory}/secret-of-the-first", "w").write("canary")
it = socket.create_server(("127.0.0.1", 45678))
print(it.getsockname(), flush=True)
"#;
    std::fs::write(first.dirs.work().join("serve.py"), format!("import os\n{server}it.accept()")).expect("written");
    let serve =
        "shell (python3 serve.py >ready 2>/dev/null & while [ ! -s ready ]; do sleep 0.01; done)\ntext ready\nhang";
    let mut going = first.start(serve);
    while going.until_text().await != "ready" {}
    let script = format!(
        r#"
attempt("its server", lambda: connect("127.0.0.1", 45678))
attempt("its home", lambda: os.listdir("{home}"))
attempt("homes beside this", lambda: os.listdir(os.path.dirname("{home}")))
found = os.popen("find / -name 'secret-of-the-first' 2>/dev/null").read()
print(f"its files: {{found or 'none'}}")
commands = [open(f"/proc/{{pid}}/cmdline").read() for pid in os.listdir("/proc") if pid.isdigit()]
print(f"its processes: {{sum('serve.py' in command for command in commands)}}")
attempt("shared memory", lambda: ctypes.CDLL(None).shmget(1, 1, 0) < 0 and "none")
attempt("keyring", lambda: syscall(250, 219, 0, -5, 0))
"#,
        home = first.dirs.home().display()
    );
    second.python(&script).await.check(&[
        ("its server", "ECONNREFUSED"),
        ("its home", "ENOENT"),
        ("homes beside this", "ENOENT"),
        ("its files", "none"),
        ("its processes", "0"),
        ("shared memory", "none"),
        ("keyring", "EPERM"),
    ]);
    going.cancel().await;
}
