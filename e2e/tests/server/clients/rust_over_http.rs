//! `legwork-client` over HTTP.

use std::sync::Arc;
use std::time::Duration;

use legwork_client::{BreakerRules, Call, Change, CircuitBreaker, Error, Executor, FailureCode, Settings};
use legwork_model::{SystemClock, TestClock, Timestamp};

use super::SECRET;
use crate::lab::{Server, Setup, nothing_left};

fn executor(server: &Server, secret: &str) -> Arc<dyn Executor> {
    Settings::at(server.url()).secret(secret).executor().expect("settings")
}

#[tokio::test]
async fn each_end_of_a_call_is_of_one_kind() {
    let data = tempfile::tempdir().expect("a directory");
    let root = tempfile::tempdir().expect("a directory");
    let roots = format!("[{:?}]", root.path());
    let setup = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET);
    let server = setup.env("LEGWORK_WORKSPACES__ROOTS", roots).start().await;
    let executor = executor(&server, SECRET);

    let here = Call::new("write note.txt hello\ntext hello").args(["-p"]).cwd(root.path().to_string_lossy());
    let output = executor.execute(&here).await.expect("an output");
    assert_eq!((output.text.as_str(), output.duration.is_some()), ("hello", true));
    assert!(output.execution_id.is_some_and(|id| id.starts_with("exe_")));
    assert_eq!(std::fs::read_to_string(root.path().join("note.txt")).expect("written"), "hello\n");

    for (prompt, expected) in [("exit 3", FailureCode::ExitNonzero), ("hang", FailureCode::Timeout)] {
        let failed = executor.execute(&Call::new(prompt).timeout(Duration::from_secs(1))).await;
        let Err(Error::Failed { code, execution_id, .. }) = failed else { panic!("{prompt}: {failed:?}") };
        assert!(code == expected && execution_id.is_some(), "{prompt}: {code:?}");
    }
    for (call, wrong) in [
        (Call::new("text hello").args(["--dangerously-skip-permissions"]), "args"),
        (Call::new("text hello").cwd("/etc"), "cwd"),
        (Call::new(""), "prompt"),
    ] {
        let refused = executor.execute(&call).await;
        let Err(Error::Invalid { field, code: Some(_), .. }) = refused else { panic!("{wrong}: {refused:?}") };
        assert!(field.is_some_and(|field| field.starts_with(wrong)), "{wrong}");
    }
    let stranger = self::executor(&server, "something else");
    assert_eq!(stranger.execute(&Call::new("text hello")).await, Err(Error::Unauthorized));
    nothing_left(data.path()).await;

    server.kill().await;
    let lost = executor.execute(&Call::new("text hello")).await;
    let Err(Error::Transport(words)) = lost else { panic!("{lost:?}") };
    assert!(!words.contains(SECRET), "{words}");
}

#[tokio::test]
async fn a_call_too_many_is_told_when_to_come_again() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET);
    let setup = setup.env("LEGWORK_DOORS__EXECUTE__CALLS_PER_MINUTE", "1");
    let server = setup.env("LEGWORK_DOORS__EXECUTE__LIMIT_LOOPBACK", "true").start().await;
    let executor = executor(&server, SECRET);
    executor.execute(&Call::new("text hello")).await.expect("the first");
    let refused = executor.execute(&Call::new("text hello")).await;
    let Err(Error::RateLimited { retry_after: Some(wait) }) = refused else { panic!("{refused:?}") };
    assert!((1..=60).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_tried_again() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET).start().await;
    let clock = Arc::new(TestClock::at(Timestamp::from_millis(1)));
    let breaker = CircuitBreaker::with(executor(&server, SECRET), BreakerRules::default(), clock.clone());
    let mut changes = breaker.changes();
    for _ in 0..10 {
        assert!(matches!(breaker.execute(&Call::new("exit 1")).await, Err(Error::Failed { .. })));
    }
    let refused = breaker.execute(&Call::new("text hello")).await;
    assert_eq!(refused, Err(Error::CircuitOpen { retry_after: Some(Duration::from_secs(30)) }));
    clock.advance_millis(30_000);
    breaker.execute(&Call::new("text hello")).await.expect("the service works again");
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    assert_eq!(told, [Change::Opened, Change::HalfOpened, Change::Closed]);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_not_let_in() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET).start().await;
    let settings = Settings::at(server.url()).secret(SECRET);
    let late = Arc::new(TestClock::at(legwork_model::Clock::now(&SystemClock).plus_millis(-60_000)));
    let executor = legwork_client::HttpExecutor::new(&settings, late).expect("settings");
    assert_eq!(executor.execute(&Call::new("text hello")).await, Err(Error::Unauthorized));
}
