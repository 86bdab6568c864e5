//! The log of tool uses: written with the events that tell of them, and found again.

use legwork_model::{ExecutionId, Risk};
use legwork_server::store::NewEvent;
use legwork_server::store::append::{Fenced, Lease};
use legwork_server::store::finish::Finish;
use legwork_server::store::tool_uses::{
    CallFacts, Ruling, ToolDecision, ToolUse, ToolUseFilter, ToolUseNews, ToolUsePlace,
};

use crate::database::{NOW, TestDb, append, assert_applied, finish, on_every_engine, text};

on_every_engine!(
    a_use_is_on_record_with_its_event_or_not_at_all,
    what_is_decided_later_is_written_with_the_event_that_tells_it,
    a_call_can_be_described_after_it_was_decided,
    many_at_once_are_all_there,
    each_filter_of_uses,
    pages_of_uses_go_from_the_newest,
);

fn telling(news: ToolUseNews) -> NewEvent {
    NewEvent { tool_use: Some(Box::new(news)), turn: Some(1), ..text("it tells of a tool") }
}

fn begun(tool: &str, ruling: Option<Ruling>) -> NewEvent {
    let call = CallFacts { digest: Some("d1".into()), risk: Some(Risk::Execute), approval: None };
    telling(ToolUseNews::Begun { tool: tool.into(), call, ruling })
}

fn ruling(allowed: bool, by: &str) -> Ruling {
    Ruling { allowed, by: by.into() }
}

fn ruled(of: u64, allowed: bool, by: &str) -> NewEvent {
    telling(ToolUseNews::Ruled { of, ruling: ruling(allowed, by) })
}

fn asked(of: u64, approval: &str) -> NewEvent {
    let call = CallFacts { digest: Some("d2".into()), risk: Some(Risk::Write), approval: Some(approval.into()) };
    telling(ToolUseNews::Described { of, call })
}

async fn uses(db: &TestDb, filter: &ToolUseFilter) -> Vec<ToolUse> {
    db.store.tool_uses(filter, 1_000).await.expect("uses")
}

/// The uses in the order of their events, in short.
async fn short(db: &TestDb, id: ExecutionId) -> Vec<String> {
    let filter = ToolUseFilter { execution: Some(id), ..ToolUseFilter::default() };
    let mut uses = uses(db, &filter).await;
    uses.reverse();
    let by = |one: &ToolUse| one.decided_by.clone().unwrap_or_default();
    uses.iter().map(|one| format!("{} {} {} {}", one.seq, one.tool, one.decision.as_str(), by(one))).collect()
}

async fn a_use_is_on_record_with_its_event_or_not_at_all(db: &TestDb) {
    let lease = db.running().await;
    let events = vec![text("hello"), begun("Bash", Some(ruling(true, "agent"))), text("bye")];
    assert_applied(db.write(append(lease, 2, events.clone())).await);
    let use_ = ToolUse {
        execution_id: lease.id,
        seq: 4,
        at: NOW,
        turn: Some(1),
        tool: "Bash".into(),
        risk: Some(Risk::Execute),
        digest: Some("d1".into()),
        decision: ToolDecision::Allowed,
        decided_by: Some("agent".into()),
        decided_at: Some(NOW),
        approval_id: None,
    };
    assert_eq!(uses(db, &ToolUseFilter::default()).await, [use_]);
    // The answer was lost; then the events are told again under an old fence, and after another event.
    assert_applied(db.write(append(lease, 2, events.clone())).await);
    let old = Lease { fence: lease.fence + 1, ..lease };
    assert_eq!(db.write(append(old, 5, events.clone())).await, Fenced::LeaseLost);
    assert_eq!(db.write(append(lease, 3, events)).await, Fenced::LeaseLost);
    assert_eq!(short(db, lease.id).await, ["4 Bash allowed agent"]);
}

async fn what_is_decided_later_is_written_with_the_event_that_tells_it(db: &TestDb) {
    let lease = db.running().await;
    let together = vec![begun("Read", None), ruled(3, true, "policy"), begun("Bash", None), begun("Write", None)];
    assert_applied(db.write(append(lease, 2, together)).await);
    assert_eq!(short(db, lease.id).await, ["3 Read allowed policy", "5 Bash pending ", "6 Write pending "]);
    assert_applied(
        db.write(append(lease, 6, vec![asked(5, "apr_1"), ruled(6, true, "policy"), asked(6, "apr_2")])).await,
    );
    assert_eq!(short(db, lease.id).await, ["3 Read allowed policy", "5 Bash pending ", "6 Write pending "]);
    assert_applied(db.write(append(lease, 9, vec![ruled(5, true, "key_1")])).await);
    let last = finish(lease, 10);
    let events = [vec![ruled(6, false, "timeout")], last.events.clone()].concat();
    assert_applied(db.write(Finish { events, ..last }).await);
    let expected = ["3 Read allowed policy", "5 Bash allowed key_1", "6 Write denied timeout"];
    assert_eq!(short(db, lease.id).await, expected);
    let all = uses(db, &ToolUseFilter::default()).await;
    let approvals: Vec<_> = all.iter().map(|one| one.approval_id.as_deref()).collect();
    assert_eq!(approvals, [Some("apr_2"), Some("apr_1"), None]);
    assert_eq!((all[0].digest.as_deref(), all[0].risk), (Some("d2"), Some(Risk::Write)));
}

async fn a_call_can_be_described_after_it_was_decided(db: &TestDb) {
    let lease = db.running().await;
    let unknown =
        ToolUseNews::Begun { tool: "Bash".into(), call: CallFacts::default(), ruling: Some(ruling(false, "policy")) };
    assert_applied(db.write(append(lease, 2, vec![telling(unknown)])).await);
    let call = CallFacts { digest: Some("d3".into()), risk: Some(Risk::Network), approval: None };
    assert_applied(db.write(append(lease, 3, vec![telling(ToolUseNews::Described { of: 3, call })])).await);
    let found = uses(db, &ToolUseFilter::default()).await.pop().expect("it is there");
    assert_eq!((found.decision, found.decided_by.as_deref()), (ToolDecision::Denied, Some("policy")));
    assert_eq!((found.digest.as_deref(), found.risk), (Some("d3"), Some(Risk::Network)));
}

async fn many_at_once_are_all_there(db: &TestDb) {
    let lease = db.running().await;
    let mut events: Vec<_> = (0..1_500).map(|_| begun("Bash", None)).collect();
    events.extend((0..1_500).map(|index| ruled(3 + index, index % 2 == 0, "policy")));
    assert_applied(db.write(append(lease, 2, events)).await);
    for (decision, count) in [(ToolDecision::Allowed, 750), (ToolDecision::Denied, 750), (ToolDecision::Pending, 0)] {
        let filter = ToolUseFilter { decision: Some(decision), ..ToolUseFilter::default() };
        assert_eq!(uses(db, &filter).await.len(), count, "{decision:?}");
    }
}

async fn each_filter_of_uses(db: &TestDb) {
    let mut job = db.job();
    job.project = Some("web".into());
    let first = db.running_job(job).await;
    let later = |event: NewEvent, millis| NewEvent { at: NOW.plus_millis(millis), ..event };
    let told =
        vec![begun("Bash", Some(ruling(true, "agent"))), later(begun("Read", Some(ruling(false, "policy"))), 10)];
    assert_applied(db.write(append(first, 2, told)).await);
    let second = db.running().await;
    assert_applied(db.write(append(second, 2, vec![later(begun("Bash", None), 20)])).await);
    let any = ToolUseFilter::default;
    let place = ToolUsePlace { at: NOW.plus_millis(10), execution: first.id, seq: 4 };
    let table: [(ToolUseFilter, &[&str]); 9] = [
        (any(), &["3 Bash", "4 Read", "3 Bash"]),
        (ToolUseFilter { execution: Some(first.id), ..any() }, &["4 Read", "3 Bash"]),
        (ToolUseFilter { project: Some("web".into()), ..any() }, &["4 Read", "3 Bash"]),
        (ToolUseFilter { project: Some("Web".into()), ..any() }, &[]),
        (ToolUseFilter { tool: Some("Read".into()), ..any() }, &["4 Read"]),
        (ToolUseFilter { decision: Some(ToolDecision::Pending), ..any() }, &["3 Bash"]),
        (ToolUseFilter { since: Some(NOW.plus_millis(10)), ..any() }, &["3 Bash", "4 Read"]),
        (ToolUseFilter { until: Some(NOW.plus_millis(10)), ..any() }, &["3 Bash"]),
        (ToolUseFilter { before: Some(place), ..any() }, &["3 Bash"]),
    ];
    for (filter, expected) in table {
        let found: Vec<_> = uses(db, &filter).await.iter().map(|one| format!("{} {}", one.seq, one.tool)).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

async fn pages_of_uses_go_from_the_newest(db: &TestDb) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        let lease = db.running().await;
        assert_applied(db.write(append(lease, 2, (0..5).map(|_| begun("Bash", None)).collect())).await);
        expected.extend((3..8).map(|seq| (lease.id, seq)));
    }
    expected.reverse();
    let (mut read, mut filter) = (Vec::new(), ToolUseFilter::default());
    loop {
        let page = db.store.tool_uses(&filter, 4).await.expect("uses");
        let Some(last) = page.last() else { break };
        filter.before = Some(ToolUsePlace { at: last.at, execution: last.execution_id, seq: last.seq });
        read.extend(page.iter().map(|one| (one.execution_id, one.seq)));
    }
    assert_eq!(read, expected);
}
