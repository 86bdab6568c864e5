//! `legwork-client` over Redis.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use legwork_client::{Answer, Call, Delivery, Error, Executor, FailureCode, Fallback, RedisExecutor, Settings};
use legwork_model::{Ids, SystemClock};

use super::way::Way;
use crate::lab::{Server, Setup, check_history, nothing_left};
use crate::redis::Redis;

fn executor(settings: &Settings) -> Arc<RedisExecutor> {
    Arc::new(RedisExecutor::new(settings, Arc::new(SystemClock), Ids::from_system()).expect("settings"))
}

async fn serve(redis: &Redis, data: &Path) -> Server {
    let server = Setup::scripted(data).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    server
}

#[tokio::test]
async fn each_end_of_a_call_is_of_one_kind() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = serve(&redis, data.path()).await;
    for delivery in [Delivery::Stream, Delivery::Channel] {
        let executor = executor(&Settings::at(redis.url()).delivery(delivery));
        let output = executor.execute(&Call::new("text hello").args(["-p"])).await.expect("an output");
        assert_eq!(output.text, "hello");
        check_history(&server.client, &output.execution_id.expect("a name")).await;

        for (prompt, expected) in [("exit 3", FailureCode::ExitNonzero), ("hang", FailureCode::Timeout)] {
            let failed = executor.execute(&Call::new(prompt).timeout(Duration::from_secs(1))).await;
            let Err(Error::Failed { code, .. }) = failed else { panic!("{prompt}: {failed:?}") };
            assert_eq!(code, expected, "{prompt}");
        }
        let refused = executor.execute(&Call::new("text hello").cwd("/etc")).await;
        let Err(Error::Invalid { field, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(field.as_deref(), Some("cwd"));
    }
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn many_calls_at_once_get_their_own_answers_and_an_id_runs_once() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = serve(&redis, data.path()).await;
    let executor = executor(&Settings::at(redis.url()));
    let calls: Vec<_> = (0..20).map(|number| Call::new(format!("text {number}"))).collect();
    let outputs = join_all(calls.iter().map(|call| executor.execute(call))).await;
    for (number, output) in outputs.into_iter().enumerate() {
        assert_eq!(output.expect("an output").text, number.to_string());
    }
    let call = Call::new("text once");
    let twice = join_all([executor.execute_as("one", &call), executor.execute_as("one", &call)]).await;
    assert!(twice[0].is_ok() && twice[0] == twice[1], "{twice:?}");
    assert_eq!(executor.execute_as("one", &call).await, twice[0], "also when it has ended");
    assert_eq!(server.client.executions().await.len(), 21);
}

#[tokio::test]
async fn an_answer_that_was_missed_is_asked_for_again() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = serve(&redis, data.path()).await;
    let (way, mut answers) = (Way::to(&redis.url()).await, redis.listen().await);
    let executor = executor(&Settings::at(way.url()));
    let call = Call::new("text begun\nsleep 500ms\ntext done");
    let running = tokio::spawn(async move { executor.execute(&call).await });
    let id = server.client.newest().await;
    server.client.until_event(&id, "text").await;
    way.close();
    answers.answer().await;
    way.open();
    let output = running.await.expect("no panic").expect("an output");
    assert_eq!((output.text.as_str(), output.execution_id.as_deref()), ("done", Some(id.as_str())));
    assert_eq!(server.client.executions().await.len(), 1, "it ran once");
}

#[tokio::test]
async fn a_call_outlives_redis() {
    let Some(mut redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = serve(&redis, data.path()).await;
    let executor = executor(&Settings::at(redis.url()));
    let call = Call::new("text begun\nsleep 500ms\ntext done");
    let running = tokio::spawn(async move { executor.execute(&call).await });
    let id = server.client.newest().await;
    server.client.until_event(&id, "text").await;
    redis.kill().await;
    server.client.finished(&id).await;
    redis.start_again().await;
    let output = running.await.expect("no panic").expect("an output");
    assert_eq!((output.text.as_str(), output.execution_id.as_deref()), ("done", Some(id.as_str())));
    assert_eq!(server.client.executions().await.len(), 1, "it ran once");
}

#[tokio::test]
async fn where_nobody_is_there_a_call_fails_at_once_or_waits_in_the_stream() {
    let Some(mut redis) = Redis::start().await else { return };
    let published = executor(&Settings::at(redis.url()).delivery(Delivery::Channel));
    let call = Call::new("text later");
    let nobody = published.execute(&call).await;
    assert!(matches!(nobody, Err(Error::Unavailable { .. })), "{nobody:?}");

    // It is left for a server that comes later.
    let queue = executor(&Settings::at(redis.url()));
    let chain = Fallback::from(published).or_queue(queue.clone());
    let Ok(Answer::Queued { id }) = chain.execute(&call).await else { panic!("it should wait in the stream") };
    let data = tempfile::tempdir().expect("a directory");
    let server = serve(&redis, data.path()).await;
    assert_eq!(queue.execute_as(&id, &call).await.expect("an output").text, "later");
    assert_eq!(server.client.executions().await.len(), 1, "it ran once");

    redis.kill().await;
    let gone = executor(&Settings::at(redis.url())).execute(&call).await;
    assert!(matches!(gone, Err(Error::Transport(_))), "{gone:?}");
    let gone = queue.execute(&call).await;
    assert!(matches!(gone, Err(Error::Transport(_))), "{gone:?}");
}
