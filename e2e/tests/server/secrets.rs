//! A canary in every place where a secret can be configured, an agent that tells all it finds in every way it can, and a look
//! for the canaries at everything that is left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::cli::Terminal;
use crate::lab::{Client, Setup};

/// Each in its place. They hold what encodings change, and their last characters are found out by none of them.
const STORED: &str = "canary-stored/+ =%&\"q-0123456789abcdef~canary-stored-and-a-long-one-that-is-wrapped";
const CONFIGURED: &str = "canary-configured-0123456789";
const AGENTS: &str = "canary-agents-key-0123456789";
const GENERATE: &str = "canary-generate-door-0123456789";
const EXECUTE: &str = "canary-execute-door-0123456789";
const PASSWORD: &str = "canary-password-0123456789";
const MASTER: &str = "Y2FuYXJ5LW1hc3Rlci1rZXktMDEyMzQ1Njc4OWFiY2Q=";
const ALL: [&str; 7] = [STORED, CONFIGURED, AGENTS, GENERATE, EXECUTE, PASSWORD, MASTER];

/// What the agent does: prints its environment, looks for others' in `/proc`, and tells its secrets plain, encoded and in pieces.
const SCRIPT: &str = r#"
report
run env; cat /proc/self/environ | tr '\0' '\n'
run cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\0' '\n' | grep -a canary
run cat "$HOME"/.claude/mcp.json 2>&1; find "$HOME" -type f 2>/dev/null | head -50 | xargs cat 2>/dev/null
run for secret in "$STORED" "$CONFIGURED" "$ANTHROPIC_API_KEY"; do for before in "" x xx; do printf %s "$before$secret!" | base64; printf %s "$before$secret" | base64 -w 0; echo; printf %s "$before$secret" | base64 -w 0 | tr '+/' '-_'; echo; done; done
run printf %s "$STORED" | sed 's/%/%25/g;s/ /%20/g;s,/,%2F,g;s/+/%2B/g;s/=/%3D/g;s/&/%26/g;s/"/%22/g;s/~/%7E/g'
run printf %s "$STORED" | sed 's/%/%25/g;s/+/%2b/g;s/ /+/g;s,/,%2f,g;s/=/%3d/g;s/&/%26/g;s/"/%22/g'
run printf %s "$CONFIGURED" | sed 's/\(.\)/\1/g'
run printf %.9s "$STORED"
run printf %s "$STORED" | cut -c 10-20 | tr -d '\n'
run printf %s "$STORED" | cut -c 21- | tr -d '\n'
run printf %s "$STORED" | base64 -w 0 | cut -c 1-30 | tr -d '\n'
run printf %s "$STORED" | base64 -w 0 | cut -c 31- | tr -d '\n'
print printf '%s\n' "$STORED" "$CONFIGURED"
print printf '%s' "$CONFIGURED" | fold -w 9; echo
print printf '\377\376 %s\n' "$CONFIGURED"
complain printf '%s\n' "$STORED" "$CONFIGURED" "$ANTHROPIC_API_KEY"
complain printf '%s' "$CONFIGURED" | fold -w 9; echo
run printf '%s\n' "$STORED" "$CONFIGURED" > leak.txt; printf %s "$STORED" | base64 >> leak.txt
run printf '%s and %s' "$STORED" "$CONFIGURED"
"#;

#[tokio::test]
async fn no_canary_is_found_in_anything_that_is_shown_or_kept() {
    let terminal = Terminal::new().with("LEGWORK_MASTER_KEY", MASTER);
    let data = terminal.data_dir();
    let told = terminal.tell(STORED, &["secret", "set", "STORED"]).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    let log = terminal.dir().join("log");
    let server = canaries(Setup::scripted(&data)).log_to(&log).start().await;
    let client = &server.client;
    let sampling = Sampling::begin();
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();

    let id = client.submit(&job()).await;
    let (sse, ndjson) =
        tokio::join!(stream(client, &id, "text/event-stream"), stream(client, &id, "application/x-ndjson"));
    seen.extend([("SSE".to_owned(), sse), ("NDJSON".to_owned(), ndjson)]);
    let execution = client.finished(&id).await;
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    for path in ["", "/events", "/output", "/patch", "/egress"] {
        let text = client.get_text(&format!("/v1/executions/{id}{path}")).await;
        assert!(path == "/egress" || path.is_empty() || text.contains("***"), "{path}: {text}");
        seen.push((path.to_owned(), text.into()));
    }
    for path in ["/v1/executions", "/metrics", "/debug", "/health", "/status", "/v1/agents"] {
        seen.push((path.to_owned(), client.get_text(path).await.into()));
    }
    for canary in ALL {
        for (path, body) in [
            ("/v1/executions", json!({ "prompt": "x", "agent": canary })),
            ("/v1/executions", json!({ "prompt": "x", canary: 1 })),
            ("/v1/executions", json!({ "prompt": "x", "env": { "A": format!("${{{canary}}}") } })),
            ("/v1/executions", json!({ "prompt": "x", "mcpServers": { "a": { "url": canary } } })),
            ("/generate", json!({ "prompt": canary })),
            ("/execute", json!({ "prompt": canary })),
        ] {
            let answer = client.request("POST", path).json(&body).send().await.expect("an answer");
            assert!(answer.status().is_client_error(), "{path} {body}: {}", answer.status());
            seen.push((format!("an error of {path}"), answer.bytes().await.expect("a body").into()));
        }
    }
    seen.push(("command lines".to_owned(), sampling.end().await));
    seen.push(("log".to_owned(), std::fs::read(&log).expect("the log")));
    let files = files(&data);
    assert!(files.iter().any(|path| path.ends_with("legwork.db")), "{files:?}");
    seen.extend(files.into_iter().filter_map(|path| Some((path.display().to_string(), std::fs::read(&path).ok()?))));
    let hits = hits(&seen);
    assert!(hits.is_empty(), "{hits:#?}");
}

#[tokio::test]
async fn an_error_at_the_start_does_not_tell_the_password_of_a_database() {
    let data = tempfile::tempdir().expect("a directory");
    for kind in ["postgres", "mysql"] {
        let url = format!("{kind}://user:{PASSWORD}@127.0.0.1:1/legwork");
        let said = Setup::scripted(data.path()).env("LEGWORK_DATABASE__URL", url).refuses_to_start().await;
        assert!(!said.is_empty() && hits(&[("start".into(), said.clone().into_bytes())]).is_empty(), "{said}");
    }
}

fn canaries(setup: Setup) -> Setup {
    setup
        .env("LEGWORK_MASTER_KEY", MASTER)
        .env("LEGWORK_SECRETS__CONFIGURED", CONFIGURED)
        .env("LEGWORK_SECRET_STORE__IN_REQUESTS", "[\"STORED\", \"CONFIGURED\"]")
        .env("LEGWORK_AGENTS__CLAUDE_CODE__API_KEY", AGENTS)
        .env("LEGWORK_DOORS__GENERATE__SECRET", GENERATE)
        .env("LEGWORK_DOORS__EXECUTE__SECRET", EXECUTE)
        // Nobody is there; what is said of it must not say the password.
        .env("LEGWORK_REDIS__URL", format!("redis://:{PASSWORD}@127.0.0.1:1"))
        .env("LEGWORK_LOG__FILTER", "debug")
}

fn job() -> Value {
    json!({
        "prompt": SCRIPT,
        "env": { "STORED": "${STORED}", "CONFIGURED": "${CONFIGURED}" },
        "mcpServers": { "mine": { "command": "true", "env": { "TOKEN": "${STORED} ${CONFIGURED}" } } },
    })
}

async fn stream(client: &Client, id: &str, kind: &str) -> Vec<u8> {
    let request = client.request("GET", &format!("/v1/executions/{id}/events")).header("accept", kind);
    request.send().await.expect("an answer").bytes().await.expect("all of it").into()
}

/// Looks at the arguments of all processes, again and again.
struct Sampling {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<u8>>,
}

impl Sampling {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
                seen.extend(processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            seen.into_iter().collect::<Vec<_>>().join(&b'\n')
        });
        Self { stop, task }
    }

    async fn end(self) -> Vec<u8> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("it ends")
    }
}

/// All files below `folder` but for the workspaces of runs, in which an agent may leave what it likes.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() && entry.file_name() != "work" {
            return files(&entry.path());
        }
        if kind.is_file() { vec![entry.path()] } else { Vec::new() }
    });
    below.collect()
}

/// Where what shows up.
fn hits(seen: &[(String, Vec<u8>)]) -> Vec<String> {
    let forms: Vec<(String, String)> = ALL.iter().flat_map(|canary| forms(canary)).collect();
    let found = |place: &String, bytes: &Vec<u8>| {
        let texts = texts(bytes);
        let there: Vec<_> = forms.iter().filter(|(form, _)| texts.iter().any(|text| text.contains(form))).collect();
        there.into_iter().map(|(form, what)| format!("{place}: {what}: {form}")).collect::<Vec<_>>()
    };
    seen.iter().flat_map(|(place, bytes)| found(place, bytes)).collect()
}

/// As it is, without line breaks (in a patch, too) and what JSON makes of quotes, and without line breaks as JSON has them.
fn texts(bytes: &[u8]) -> [String; 4] {
    let text = String::from_utf8_lossy(bytes);
    [text.replace("\n+", ""), text.replace(['\n', '\\'], ""), text.replace("\\n", ""), text.into_owned()]
}

/// A canary as it may show up, and what that is called.
fn forms(canary: &str) -> Vec<(String, String)> {
    let mut forms = vec![(canary.to_owned(), "plain".to_owned())];
    forms.push((url::form_urlencoded::byte_serialize(canary.as_bytes()).collect(), "a form".to_owned()));
    let percent = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    forms.push((canary.bytes().map(percent).collect(), "percent-encoded".to_owned()));
    for before in ["", "x", "xx"] {
        for engine in [&STANDARD, &URL_SAFE] {
            let encoded = engine.encode(format!("{before}{canary}"));
            // What depends on the canary alone.
            let inner = encoded.trim_end_matches('=');
            forms.push((inner[4..inner.len() - 4].to_owned(), format!("base64 behind {} bytes", before.len())));
        }
    }
    forms
}
