//! The real Claude Code CLI in a sandbox, with nothing to reach but its model.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use legwork_agents::{Credential, Setup, find_agent};
use legwork_gateway::rehearsal::Rehearsal;
use legwork_model::{Limits, Task, ToolPolicy, Verdict};
use legwork_runner::{Network, Uplink};
use tokio::task::JoinSet;

use crate::lab::{Lab, has_bubblewrap};

/// Leads from an address inside to the same address outside.
#[derive(Debug)]
struct Relay {
    address: SocketAddr,
    relayed: Mutex<JoinSet<()>>,
}

impl Uplink for Relay {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![self.address]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        let address = self.address;
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
            self.relayed.lock().expect("not poisoned").spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((mut inside, _)) = listener.accept().await {
                    connections.spawn(async move {
                        let mut outside = tokio::net::TcpStream::connect(address).await.expect("the model listens");
                        _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                    });
                }
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "where the CLI is, the test script says in the environment")]
async fn the_real_cli_works_with_no_way_out_but_to_its_model() {
    let Ok(program) = std::env::var("LEGWORK_TEST_CLAUDE") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_CLAUDE must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_CLAUDE is not set; `make test` installs the CLI and sets it");
        return;
    };
    if !has_bubblewrap().await {
        return;
    }
    let rehearsal = Rehearsal::start(None, None).await.expect("it listens");
    let address = rehearsal.base_url().trim_start_matches("http://").parse().expect("an address");
    let mut lab = Lab::new(1000);
    lab.confinement.network = Network::Own(Arc::new(Relay { address, relayed: Mutex::default() }));
    std::fs::write(lab.dirs.work().join("README.md"), "A project.\n").expect("written");
    let prompt = "Do it. [[write: notes.md | # Hello]] \
        [[bash: (git init -q . && git add . && git -c user.name=a -c user.email=a@b commit -qm first && git log --oneline; \
        node -e 'require(\"child_process\").execSync(\"true\"); console.log(\"node works\")'; npm --version; \
        curl -sS -m 3 http://192.0.2.1/ || echo no way out; id -u) >> notes.md 2>&1]] [[say: All done.]]";
    let setup = Setup {
        program: program.into(),
        workspace: lab.dirs.work(),
        home: lab.dirs.home(),
        tmp: lab.dirs.tmp(),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
        credential: Some(Credential::ApiKey("any".into())),
        base_url: Some(rehearsal.base_url()),
        permission_mode: Some("acceptEdits".into()),
        ..Setup::default()
    };
    let tools = ToolPolicy { allow: vec!["Bash".into()], ..ToolPolicy::default() };
    let task = Task { agent: "claude-code".into(), prompt: prompt.into(), tools, ..Task::default() };
    let launch = find_agent("claude-code").expect("it is known").launch(&task, &setup);
    lab.dirs.place(&launch.files).expect("placed");
    let told = lab.start_launch(launch, Limits::default()).end().await;
    assert_eq!(told.outcome.verdict, Verdict::Succeeded, "{told:?}");
    assert_eq!(told.outcome.result.as_deref(), Some("All done."));
    let notes = std::fs::read_to_string(lab.dirs.work().join("notes.md")).expect("it was written");
    for expected in ["# Hello", " first", "node works", "no way out", "1000"] {
        assert!(notes.contains(expected), "{expected} is missing in {notes}");
    }
}
