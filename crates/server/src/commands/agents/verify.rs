//! Whether an agent's program, in the version that is there, does what Legwork relies on: a list of cases, run for real
//! against the rehearsal model.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use legwork_agents::{Agent, Capabilities};
use legwork_model::{Clock, EventBody, ExecutionId, Ids, SystemClock};
use serde_json::{Value, json};

use crate::commands::client::{Answer, Client, ClientError, StreamedEvent};
use crate::commands::local::Local;
use crate::commands::terminal::{aligned, one_line, shorten};
use crate::commands::{Failure, print};
use crate::config::{Config, Environment};

/// How long a case may take.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

/// One thing that an agent has to do.
struct Case {
    name: &'static str,
    /// What it needs to be capable of.
    needs: fn(Capabilities) -> bool,
    /// What is submitted.
    job: fn() -> Value,
    then: Then,
    expected: Expected,
}

/// What happens while the job runs.
#[derive(Clone, Copy)]
enum Then {
    /// Nothing.
    Nothing,
    /// It is cancelled once the agent works.
    Cancel,
    /// Its turn is interrupted once the agent works; then it gets a message.
    Interrupt(&'static str),
    /// It gets a message after its first turn.
    Message(&'static str),
    /// Another job continues its session.
    Resume(&'static str),
}

/// What has to come out.
#[derive(Clone, Copy)]
enum Expected {
    /// A success with this result.
    Result(fn() -> String),
    /// A success with a result of so many bytes, give or take a space at its end.
    Length(usize),
    /// A success with a file of that name.
    File(&'static str),
    /// Another end: the state, or the reason of a failure.
    End(&'static str),
}

const ANY: fn(Capabilities) -> bool = |_| true;
const LONG: usize = 300_000;

fn utf8() -> String {
    // Many bytes a character, so that the pieces in which it arrives cut characters.
    (1..2_000).map(|number| format!("{number} äöü 多字節 🎉")).collect::<Vec<_>>().join(" ")
}

const CASES: [Case; 10] = [
    Case {
        name: "text",
        needs: ANY,
        job: || json!({ "prompt": "[[say: Hello.]]" }),
        then: Then::Nothing,
        expected: Expected::Result(|| "Hello.".to_owned()),
    },
    Case {
        name: "tool",
        needs: ANY,
        job: || json!({ "prompt": "[[write: made.txt | by a tool]] [[say: Made.]]" }),
        then: Then::Nothing,
        expected: Expected::File("made.txt"),
    },
    Case {
        name: "error",
        needs: ANY,
        job: || json!({ "prompt": "[[error: 400]]" }),
        then: Then::Nothing,
        expected: Expected::End("api_error"),
    },
    Case {
        name: "limit",
        needs: ANY,
        job: || json!({ "prompt": "[[error: 429]]" }),
        then: Then::Nothing,
        expected: Expected::End("usage_limit"),
    },
    Case {
        name: "cancel",
        needs: ANY,
        job: || json!({ "prompt": "[[slow: 60s]]" }),
        then: Then::Cancel,
        expected: Expected::End("cancelled"),
    },
    Case {
        name: "resume",
        needs: |agent| agent.resume,
        job: || json!({ "prompt": "[[say: First.]]" }),
        then: Then::Resume("[[say: Second.]]"),
        expected: Expected::Result(|| "Second.".to_owned()),
    },
    Case {
        name: "follow-up",
        needs: |agent| agent.follow_up,
        job: || json!({ "prompt": "[[say: First.]]", "sessionIdleTimeout": 3 }),
        then: Then::Message("[[say: Second.]]"),
        expected: Expected::Result(|| "Second.".to_owned()),
    },
    Case {
        name: "interrupt",
        needs: |agent| agent.interrupt,
        job: || json!({ "prompt": "[[slow: 60s]]", "sessionIdleTimeout": 3 }),
        then: Then::Interrupt("[[say: After.]]"),
        expected: Expected::Result(|| "After.".to_owned()),
    },
    Case {
        name: "long answer",
        needs: ANY,
        job: || json!({ "prompt": format!("[[long: {LONG}]]") }),
        then: Then::Nothing,
        expected: Expected::Length(LONG),
    },
    Case {
        name: "UTF-8",
        needs: ANY,
        job: || json!({ "prompt": format!("[[say: {}]]", utf8()) }),
        then: Then::Nothing,
        expected: Expected::Result(utf8),
    },
];

/// Runs all cases and prints how each went; the exit code says whether all passed.
pub(super) async fn verify(
    agent: &'static dyn Agent,
    program: PathBuf,
    mut config: Config,
    environment: Environment,
) -> Result<ExitCode, Failure> {
    let scratch = PathBuf::from(environment.get("TMPDIR").unwrap_or("/tmp"));
    let data_dir = scratch.join(format!("legwork-verify-{}", Ids::from_system().execution(SystemClock.now())));
    config.data_dir.clone_from(&data_dir);
    config.database.url = None;
    config.redis.url = None;
    config.rehearsal.enabled = true;
    config.warm.most = 0;
    let settings = config.agents.entry(agent.name().to_owned()).or_default();
    settings.program = Some(program);
    settings.max_retries = 1;
    let local = Local::start(config, environment).await?;
    let mut rows = vec![["CASE", "RESULT", "TIME", ""].map(str::to_owned)];
    let mut passed = true;
    for case in &CASES {
        let begun = Instant::now();
        let [result, detail] = if (case.needs)(agent.capabilities()) {
            match tokio::time::timeout(PATIENCE, run(local.client(), agent, local.lane(), case)).await {
                Ok(Ok(())) => ["ok".to_owned(), String::new()],
                Ok(Err(why)) => ["FAILED".to_owned(), why],
                Err(_) => ["FAILED".to_owned(), format!("it took longer than {} s", PATIENCE.as_secs())],
            }
        } else {
            ["not offered".to_owned(), String::new()]
        };
        passed &= result != "FAILED";
        let time = format!("{:.1} s", begun.elapsed().as_secs_f64());
        rows.push([case.name.to_owned(), result, time, shorten(&one_line(&detail), 200)]);
    }
    local.end().await;
    // What can't be removed is in the directory for temporary files.
    let _ = std::fs::remove_dir_all(data_dir);
    print(&aligned(&rows))?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(client: &Client, agent: &dyn Agent, lane: &str, case: &Case) -> Result<(), String> {
    let mut job = (case.job)();
    job["agent"] = json!(agent.name());
    job["lane"] = json!(lane);
    let first = submit(client, &job).await?;
    let answer = match case.then {
        Then::Nothing => finished(client, first).await?,
        Then::Cancel => {
            until(client, first, |event| matches!(event, EventBody::Started { .. })).await?;
            client.cancel(first).await.map_err(|error| said(&error))?;
            finished(client, first).await?
        }
        Then::Interrupt(message) => {
            until(client, first, |event| matches!(event, EventBody::Started { .. })).await?;
            // The model has begun to speak by then.
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.interrupt(first).await.map_err(|error| said(&error))?;
            until(client, first, |event| matches!(event, EventBody::TurnEnded { .. })).await?;
            client.message(first, message).await.map_err(|error| said(&error))?;
            finished(client, first).await?
        }
        Then::Message(message) => {
            until(client, first, |event| matches!(event, EventBody::TurnEnded { .. })).await?;
            client.message(first, message).await.map_err(|error| said(&error))?;
            finished(client, first).await?
        }
        Then::Resume(prompt) => {
            let session = finished(client, first).await?.execution.session_id.ok_or("it told no session")?;
            job["prompt"] = json!(prompt);
            job["resumeSession"] = json!(session);
            let second = submit(client, &job).await?;
            let answer = finished(client, second).await?;
            if answer.execution.session_id.as_ref() != Some(&session) {
                return Err("it goes on in another session".to_owned());
            }
            answer
        }
    };
    judge(client, &answer, case.expected).await
}

async fn judge(client: &Client, answer: &Answer, expected: Expected) -> Result<(), String> {
    let execution = &answer.execution;
    let outcome = execution.outcome.as_ref().ok_or("it has no outcome")?;
    let end = match &outcome.verdict {
        legwork_model::Verdict::Failed(failure) => failure.reason.as_str(),
        other => other.state().as_str(),
    };
    let wanted = if let Expected::End(end) = expected { end } else { "succeeded" };
    if end != wanted {
        let message = match &outcome.verdict {
            legwork_model::Verdict::Failed(failure) => failure.message.as_str(),
            _ => "",
        };
        return Err(format!("it ended as {end}, not as {wanted}. {message}"));
    }
    match expected {
        Expected::End(_) => Ok(()),
        Expected::Result(result) => {
            let (result, given) = (result(), outcome.result.clone().unwrap_or_default());
            let is_same = given.trim() == result.trim();
            is_same.then_some(()).ok_or_else(|| format!("its result is another one, of {} bytes: {given}", given.len()))
        }
        Expected::Length(bytes) => {
            let given = outcome.result.as_ref().map_or(0, String::len);
            (given.abs_diff(bytes) <= 1)
                .then_some(())
                .ok_or_else(|| format!("its result has {given} bytes, not {bytes}"))
        }
        Expected::File(name) => {
            let events = client.recorded_events(execution.id).await.map_err(|error| said(&error))?;
            let path = bodies(&events).find_map(|body| match body {
                EventBody::Workspace { path, .. } => Some(PathBuf::from(path)),
                _ => None,
            });
            let is_there = path.is_some_and(|path| path.join(name).is_file());
            is_there.then_some(()).ok_or_else(|| format!("there is no {name}"))
        }
    }
}

async fn submit(client: &Client, job: &Value) -> Result<ExecutionId, String> {
    let key = Ids::from_system().execution(SystemClock.now()).to_string();
    Ok(client.create(job, &key).await.map_err(|error| said(&error))?.execution.id)
}

async fn finished(client: &Client, id: ExecutionId) -> Result<Answer, String> {
    loop {
        let answer = client.execution(id).await.map_err(|error| said(&error))?;
        if answer.execution.state.is_finished() {
            return Ok(answer);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for an event, or for the end.
async fn until(client: &Client, id: ExecutionId, wanted: fn(&EventBody) -> bool) -> Result<(), String> {
    loop {
        let events = client.recorded_events(id).await.map_err(|error| said(&error))?;
        if bodies(&events).any(wanted) {
            return Ok(());
        }
        if bodies(&events).any(|body| matches!(body, EventBody::Finished { .. })) {
            return Err("it ended too soon".to_owned());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn bodies(events: &[StreamedEvent]) -> impl Iterator<Item = &EventBody> {
    events.iter().filter_map(|event| event.event.as_ref()).map(|event| &event.body)
}

fn said(error: &ClientError) -> String {
    error.to_string()
}
