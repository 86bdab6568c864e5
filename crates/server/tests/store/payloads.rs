//! Texts of any size and any script come back as they went in.

use legwork_model::EventBody;
use legwork_server::store::NewEvent;
use legwork_server::store::append::Append;
use serde_json::json;

use crate::database::{NOW, TestDb, append, assert_applied, finish, on_every_engine, text};

on_every_engine!(
    a_prompt_of_half_a_million_characters,
    an_event_of_a_megabyte,
    many_large_events_in_one_append,
    more_events_than_a_statement_takes,
    any_character_in_any_place,
    a_session_that_no_column_holds_does_not_stop_the_run,
);

async fn a_prompt_of_half_a_million_characters(db: &TestDb) {
    let mut job = db.job();
    job.task.prompt = "🦀".repeat(500_000);
    let id = db.put(job.clone()).await;
    assert_eq!(db.record(id).await.task.prompt, job.task.prompt);
    assert_eq!(db.claim(1).await[0].record.task, job.task);
}

async fn an_event_of_a_megabyte(db: &TestDb) {
    let lease = db.running().await;
    let long = "é\u{1}".repeat(1024 * 1024 / 8);
    assert_applied(db.write(append(lease, 2, vec![text(&long)])).await);
    let event = db.events(lease.id).await[2].decode().expect("an event");
    assert_eq!(event.body, EventBody::Text { text: long, parent_tool_call_id: None });
}

async fn many_large_events_in_one_append(db: &TestDb) {
    let lease = db.running().await;
    let long = "x".repeat(1024 * 1024);
    let events: Vec<NewEvent> = (0..24).map(|_| text(&long)).collect();
    assert_applied(db.write(append(lease, 2, events)).await);
    assert_eq!(db.record(lease.id).await.last_seq, 26);
}

async fn more_events_than_a_statement_takes(db: &TestDb) {
    let lease = db.running().await;
    let events: Vec<NewEvent> = (0..2_500).map(|number| text(&number.to_string())).collect();
    assert_applied(db.write(append(lease, 2, events)).await);
    assert_applied(db.write(finish(lease, 2_502)).await);
    let events = db.events(lease.id).await;
    assert_eq!(events[2_501].data.get(), r#"{"text":"2499"}"#);
}

async fn any_character_in_any_place(db: &TestDb) {
    let strange = "'\"\\ 🦀 \u{0}\u{1f}\u{7f}\u{fffd}\u{10ffff} é e\u{301} \u{202e} \r\n\t ?$1:a";
    let printable = strange.replace('\0', "");
    let mut job = db.job();
    job.task.prompt = printable.clone();
    job.task.env = [("A".to_owned(), printable)].into();
    job.metadata =
        [(strange.to_owned(), json!({ "deep": [strange, 1e300, -0.0, u64::MAX, null] }))].into_iter().collect();
    let lease = db.running_job(job.clone()).await;
    let said = EventBody::ToolCall {
        id: strange.into(),
        name: strange.into(),
        input: json!({ strange: strange }),
        parent_tool_call_id: None,
    };
    assert_applied(db.write(append(lease, 2, vec![NewEvent::new(NOW, &said)])).await);
    let mut end = finish(lease, 3);
    end.outcome.result = Some(strange.into());
    assert_applied(db.write(end).await);

    let record = db.record(lease.id).await;
    assert_eq!((record.task, record.metadata), (job.task, job.metadata));
    assert_eq!(record.outcome.expect("it has ended").result.as_deref(), Some(strange));
    assert_eq!(db.events(lease.id).await[2].decode().expect("an event").body, said);
}

async fn a_session_that_no_column_holds_does_not_stop_the_run(db: &TestDb) {
    // Agents make their session ids up; one that could not be recorded must not keep a run from ending.
    for strange in ["x".repeat(129), "x".repeat(100_000), "a\0b".to_owned(), String::new()] {
        let lease = db.running().await;
        let told = Append { session_id: Some(strange.clone()), ..append(lease, 2, vec![text("hi")]) };
        assert_applied(db.write(told).await);
        let mut end = finish(lease, 3);
        end.outcome.session_id = Some(strange.clone());
        assert_applied(db.write(end).await);
        let record = db.record(lease.id).await;
        assert_eq!(record.session_id, None);
        assert_eq!(record.outcome.expect("it has ended").session_id, Some(strange));
    }
    let lease = db.running().await;
    let longest = "ß".repeat(128);
    assert_applied(db.write(Append { session_id: Some(longest.clone()), ..append(lease, 2, Vec::new()) }).await);
    assert_eq!(db.record(lease.id).await.session_id, Some(longest));
}
