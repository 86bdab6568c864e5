//! Privileges, and ways to get some.

use crate::lab::{Attacker, Lab};

as_each_user! {
    row_21_the_network_can_not_be_changed,
    row_28_there_are_no_privileges_and_no_way_to_get_any,
    row_28_no_process_is_traced,
    row_28_nothing_of_the_machines_kernel_can_be_written,
}

in_containers! {
    row_21_the_network_can_not_be_changed,
    row_28_there_are_no_privileges_and_no_way_to_get_any,
    row_28_nothing_of_the_machines_kernel_can_be_written,
}

async fn row_21_the_network_can_not_be_changed(attacker: Attacker) {
    let script = r#"
attempt("setns to the first process", lambda: syscall(308, 268, os.open("/proc/1/ns/net", os.O_RDONLY), 0))
attempt("setns to nothing", lambda: syscall(308, 268, -1, 0x40000000))
attempt("unshare", lambda: syscall(272, 97, 0x40000000))
def ioctl():
    import fcntl
    fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 0))
attempt("an interface down", ioctl)
attempt("net sysctl", lambda: os.close(os.open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY)))
"#;
    Lab::new(attacker).python(script).await.check(&[
        ("setns to the first process", "EPERM"),
        ("setns to nothing", "EPERM"),
        ("unshare", "EPERM"),
        ("an interface down", "EPERM"),
        ("net sysctl", if attacker.user == 0 { "EROFS" } else { attacker.told("EROFS", "EACCES") }),
    ]);
}

async fn row_28_there_are_no_privileges_and_no_way_to_get_any(attacker: Attacker) {
    let script = r#"
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
for name in ["NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
    print(f"{name}: {int(status[name], 16)}")
attempt("who", lambda: f"{os.getuid()} {os.getgid()}")
attempt("mount", lambda: syscall(165, 40, b"none", b"/tmp", b"tmpfs", 0, 0))
attempt("umount", lambda: syscall(166, 39, b"/proc/sys", 0))
attempt("pivot_root", lambda: syscall(155, 41, b"/tmp", b"/tmp"))
attempt("unshare users", lambda: syscall(272, 97, 0x10000000))
attempt("clone users", lambda: syscall(56, 220, 0x10000000 | 17, 0, 0, 0, 0))
attempt("clone3", lambda: syscall(435, 435, 0, 0))
attempt("keyctl", lambda: syscall(250, 219, 0, -3, 0))
attempt("add_key", lambda: syscall(248, 217, b"user", b"x", b"y", 1, -3))
attempt("bpf", lambda: syscall(321, 280, 0, 0, 0))
attempt("userfaultfd", lambda: syscall(323, 282, 0))
attempt("perf_event_open", lambda: syscall(298, 241, 0, 0, -1, -1, 0))
attempt("open_by_handle_at", lambda: syscall(304, 265, -100, 0, 0))
attempt("process_vm_readv", lambda: syscall(310, 270, 1, 0, 0, 0, 0, 0))
attempt("kexec_load", lambda: syscall(246, 104, 0, 0, 0, 0))
attempt("init_module", lambda: syscall(175, 105, 0, 0, b""))
attempt("personality", lambda: syscall(135, 92, 0x40000))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o060600, os.makedev(8, 0)))
attempt("setuid", lambda: os.setuid(12345))
attempt("sethostname", lambda: socket.sethostname("owned"))
def typed():
    import fcntl, pty
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, 0x5412, b"x")
attempt("TIOCSTI", typed)
"#;
    let who = format!("{0} {0}", attacker.user);
    let mut expected = vec![("NoNewPrivs", "1"), ("Seccomp", "2")];
    expected.extend(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| (name, "0")));
    expected.push(("who", &who));
    let denied = [
        "mount",
        "umount",
        "pivot_root",
        "unshare users",
        "clone users",
        "clone3",
        "keyctl",
        "add_key",
        "bpf",
        "userfaultfd",
        "perf_event_open",
        "open_by_handle_at",
        "process_vm_readv",
        "kexec_load",
        "init_module",
        "personality",
        "chroot",
        "mknod",
        "setuid",
        "sethostname",
        "TIOCSTI",
    ];
    expected.extend(denied.map(|call| match call {
        "clone3" => (call, "ENOSYS"),
        // In bubblewrap that number is no user at all.
        "setuid" => (call, attacker.told("EINVAL", "EPERM")),
        _ => (call, "EPERM"),
    }));
    Lab::new(attacker).python(script).await.check(&expected);
}

/// The engine's own filter lets a run trace its own processes.
async fn row_28_no_process_is_traced(attacker: Attacker) {
    let script = r#"attempt("ptrace", lambda: syscall(101, 117, 16, 1, 0, 0))"#;
    Lab::new(attacker).python(script).await.check(&[("ptrace", "EPERM")]);
}

/// Nothing is written here, in case it could be.
async fn row_28_nothing_of_the_machines_kernel_can_be_written(attacker: Attacker) {
    let script = r#"
writable = []
for top in ["/proc", "/sys", "/usr", "/etc", "/opt", "/bin", "/lib"]:
    for directory, directories, files in os.walk(top):
        if directory == "/proc":
            directories[:] = [it for it in directories if not it.isdigit() and it not in ("self", "thread-self")]
        paths = [os.path.join(directory, it) for it in files]
        # A link to a device is none of the machine's files.
        writable += [it for it in paths if os.access(it, os.W_OK) and (it.startswith("/proc/") or os.path.isfile(it))]
        if os.access(directory, os.W_OK):
            writable.append(directory)
allowed = {"/proc/mtrr", "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/latency_stats", "/proc/sched_debug",
           "/proc/sysrq-trigger", "/proc/timer_list"}
for path in writable:
    if path in allowed and os.stat(path).st_rdev != os.stat("/dev/null").st_rdev:
        print(f"{path}: is not hidden")
print(f"writable: {[it for it in writable if it not in allowed and not it.startswith('/proc/pressure/')]}")
for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug"]:
    if os.path.exists(path):
        print(f"{path}: {os.access(path, os.W_OK)}")
try:
    print(f"root: {os.open('/new', os.O_CREAT)}")
except OSError as error:
    print(f"root: {errno.errorcode[error.errno]}")
"#;
    let mut told = Lab::new(attacker).python(script).await;
    // The kernel heeds nobody there who has no capabilities.
    told.output = told.output.replace(attacker.told("nothing", "/proc/mtrr: is not hidden\n"), "");
    assert!(told.output.contains("writable: []\n") && told.output.contains("root: EROFS"), "{}", told.output);
    assert!(!told.output.contains("True") && !told.output.contains("is not hidden"), "{}", told.output);
}
