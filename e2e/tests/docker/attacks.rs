//! What an agent that is up to no good does not get at. Each is tried as the usual user and as root inside.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use legwork_model::FailureReason;
use legwork_runner::{Attempt, Network, Uplink};

use crate::lab::{Done, Lab, World};

/// Says a word to whoever connects.
#[derive(Debug, Default)]
pub(crate) struct Greeter {
    pub(crate) word: &'static str,
    served: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Uplink for Greeter {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec!["127.0.0.1:3128".parse().expect("an address")]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        let word = self.word;
        for listener in listeners {
            listener.set_nonblocking(false).expect("it waits");
            let serving = std::thread::spawn(move || {
                if let Ok((mut stream, _)) = listener.accept() {
                    _ = stream.write_all(word.as_bytes());
                }
            });
            self.served.lock().expect("it").push(serving);
        }
    }
}

pub(crate) fn without_a_route(word: &'static str) -> Network {
    Network::Own(Arc::new(Greeter { word, ..Greeter::default() }))
}

/// A run of a script as the usual user and as root inside, each without a route.
async fn tried(world: &World, script: &str) -> [Done; 2] {
    let as_user = |user| {
        Lab::with(world, script, |attempt: &mut Attempt| {
            attempt.confinement.network = without_a_route("in");
            attempt.confinement.container.user = user;
        })
    };
    [as_user(None).run(world).await, as_user(Some(0)).run(world).await]
}

/// Rows 3, 4, 10, 12, 23: no route but the one that is given, and that from the first moment on.
pub(crate) async fn without_a_route_there_is_nothing_but_the_uplink(world: Arc<World>) {
    let here = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = here.local_addr().expect("an address").port();
    let script = format!(
        "connect 127.0.0.1:3128\nconnect 127.0.0.1:{port}\nconnect 172.17.0.1:{port}\nconnect 1.1.1.1:53\n\
         connect example.com:443\nrun cat /proc/net/route /proc/net/if_inet6 2>/dev/null | wc -l"
    );
    for done in tried(&world, &script).await {
        let texts = done.texts();
        assert_eq!(texts[0], "in");
        assert!(texts[1].contains("refused"), "{texts:?}");
        for text in &texts[2..4] {
            assert!(text.contains("unreachable"), "{texts:?}");
        }
        assert!(texts[4].contains("resolution") || texts[4].contains("lookup"), "{texts:?}");
        assert_eq!(texts[5], "1", "the heading alone");
    }
}

/// Rows 19 and 36.
pub(crate) async fn sockets_of_the_machine_are_not_there(world: Arc<World>) {
    let script = format!(
        "run find / -xdev -type s 2>/dev/null; ls -d /var/run /run/docker.sock {} 2>/dev/null; ls -A /run; echo end",
        world.socket.display()
    );
    for done in tried(&world, &script).await {
        assert_eq!(done.texts(), ["end"]);
    }
}

/// Rows 21 and 28.
pub(crate) async fn nothing_is_permitted(world: Arc<World>) {
    let script = "run cat /proc/self/status\n\
        run mount -t tmpfs none /tmp 2>/dev/null && echo done; unshare -U true 2>/dev/null && echo done; \
        unshare -n true 2>/dev/null && echo done; echo 0 2>/dev/null >/proc/sys/kernel/hostname && echo done; \
        echo b 2>/dev/null >/proc/sysrq-trigger && echo done; su agent -c id 2>/dev/null && echo done; \
        chmod u+s /bin/sh 2>/dev/null && echo done; echo end";
    for done in tried(&world, script).await {
        let texts = done.texts();
        let status = |name: &str| {
            let line = texts[0].lines().find(|line| line.starts_with(name)).expect(name);
            line.split_whitespace().nth(1).expect("a value").to_owned()
        };
        assert_eq!(status("NoNewPrivs"), "1");
        assert_eq!(status("Seccomp:"), "2");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(set), "0000000000000000", "{set}");
        }
        assert_eq!(texts[1], "end");
    }
}

/// Row 25.
pub(crate) async fn the_secrets_of_the_machine_are_not_there(world: Arc<World>) {
    let canary = world.data.path().join("canary-7f3a");
    std::fs::write(&canary, "canary-7f3a").expect("written");
    let script = format!(
        "run cat {} /root/.ssh/id_rsa /etc/shadow 2>/dev/null; ls /home /root 2>/dev/null; \
         cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n' 2>/dev/null | cat; ls /proc; echo end",
        canary.display()
    );
    for done in tried(&world, &script).await {
        let said = done.texts()[0].to_owned();
        let found = |line: &str| line.contains("canary-7f3a") && !line.contains("cat ");
        assert!(!said.lines().any(found), "{said}");
        let processes = said.lines().filter(|line| line.parse::<u32>().is_ok()).count();
        assert!(processes < 12, "only its own: {said}");
    }
}

/// Row 24.
pub(crate) async fn other_runs_are_not_there(world: Arc<World>) {
    let private = |attempt: &mut Attempt| attempt.confinement.network = without_a_route("other");
    let other = "run echo theirs >/tmp/theirs; echo theirs >/dev/shm/theirs; echo theirs >$HOME/theirs\ntext on\nhang";
    let other = Lab::with(&world, other, private);
    let theirs = other.dirs.home();
    let mut other = other.start(&world.runner);
    while other.until_text().await != "on" {}
    let script = format!("run ls -A /tmp /dev/shm; cat {}/theirs; ls {0}\nconnect 127.0.0.1:3128", theirs.display());
    for done in tried(&world, &script).await {
        let texts = done.texts();
        assert!(!texts[0].contains("theirs\n"), "{texts:?}");
        assert!(texts[0].contains("No such file"), "{texts:?}");
        assert_eq!(texts[1], "in", "its own, and not the other's");
    }
    other.cancel();
    other.end().await;
}

/// Row 36: directories that must not be seen inside.
pub(crate) async fn the_system_is_not_handed_out(world: Arc<World>) {
    let link = world.data.path().join("link");
    std::os::unix::fs::symlink("/", &link).expect("linked");
    let socket = world.socket.clone();
    for directory in ["/".into(), "/proc".into(), "/run".into(), "/dev/shm".into(), link, socket] {
        let lab = Lab::with(&world, "text in", |attempt| attempt.confinement.readable.push(directory));
        let done = lab.run(&world).await;
        let (reason, message) = done.failure();
        assert!(reason == FailureReason::SpawnFailed && message.contains("can't be given"), "{message}");
    }
}

/// Row 36: what is written by others is a value, or nothing at all.
pub(crate) async fn an_odd_name_never_gets_to_the_engine(world: Arc<World>) {
    let odd: [fn(&mut Attempt); 6] = [
        |attempt| attempt.confinement.container.image = Some("--privileged".into()),
        |attempt| attempt.confinement.container.image = Some("agent\n--privileged".into()),
        |attempt| attempt.launch.env.push(("A".into(), "1\nLD_PRELOAD=x".into())),
        |attempt| attempt.launch.env.push(("A=B\0".into(), "1".into())),
        |attempt| attempt.launch.program = "../agent".into(),
        |attempt| attempt.confinement.container.keep = Some("a\nb".into()),
    ];
    for change in odd {
        let done = Lab::with(&world, "text in", change).run(&world).await;
        assert_eq!(done.failure().0, FailureReason::SpawnFailed, "{:?}", done.outcome);
    }
    let image = Lab::with(&world, "text in", |attempt| attempt.confinement.container.keep = Some("../x; $(y)".into()));
    assert_eq!(image.run(&world).await.texts(), ["in"], "a name to be kept by is a label");
    world.docker.put_away().await;
}
