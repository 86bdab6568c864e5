//! `@legwork/client`, by its own tests.

use super::SECRET;
use super::npm::Folder;
use super::way::Way;
use crate::lab::{Setup, nothing_left};
use crate::redis::Redis;

fn folder() -> Option<Folder> {
    Folder::at("clients/typescript", "dist/src/index.js")
}

async fn test(folder: &Folder, files: &[String], environment: &[(&str, &str)]) {
    let files = files.iter().map(String::as_str);
    let arguments: Vec<_> = ["--test", "--test-reporter=spec"].into_iter().chain(files).collect();
    folder.run(&arguments, environment).await;
}

#[tokio::test]
async fn it_passes_its_own_tests() {
    let Some(folder) = folder() else { return };
    test(&folder, &folder.files("dist/test", ".test.js"), &[]).await;
}

#[tokio::test]
async fn it_calls_over_http() {
    let Some(folder) = folder() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET).start().await;
    let environment = [("LEGWORK_TEST_URL", server.url()), ("LEGWORK_TEST_SECRET", SECRET)];
    test(&folder, &["dist/test/live/http.test.js".to_owned()], &environment).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn it_calls_over_redis() {
    let (Some(folder), Some(redis)) = (folder(), Redis::start().await) else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let url = redis.url();
    let environment = [("LEGWORK_TEST_URL", server.url()), ("LEGWORK_TEST_REDIS_URL", url.as_str())];
    test(&folder, &["dist/test/live/redis.test.js".to_owned()], &environment).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn it_asks_again_for_an_answer_that_it_missed() {
    let (Some(folder), Some(redis)) = (folder(), Redis::start().await) else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let (way, mut answers) = (Way::to(&redis.url()).await, redis.listen().await);
    let environment = [("LEGWORK_TEST_REDIS_URL", way.url())];
    let files = ["dist/test/live/outage.test.js".to_owned()];
    let breaking = async {
        let id = server.client.newest().await;
        server.client.until_event(&id, "text").await;
        way.close();
        answers.answer().await;
        way.open();
    };
    tokio::join!(test(&folder, &files, &environment), breaking);
    assert_eq!(server.client.executions().await.len(), 1, "it ran once");
}

#[tokio::test]
async fn its_calls_outlive_redis() {
    let (Some(folder), Some(mut redis)) = (folder(), Redis::start().await) else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let url = redis.url();
    let files = ["dist/test/live/outage.test.js".to_owned()];
    let environment = [("LEGWORK_TEST_REDIS_URL", url.as_str())];
    let calling = test(&folder, &files, &environment);
    let breaking = async {
        let id = server.client.newest().await;
        server.client.until_event(&id, "text").await;
        redis.kill().await;
        server.client.finished(&id).await;
        redis.start_again().await;
    };
    tokio::join!(calling, breaking);
    assert_eq!(server.client.executions().await.len(), 1, "it ran once");
}
