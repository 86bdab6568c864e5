//! Keeping leases, and finding those that were not kept.

use legwork_server::store::append::Lease;
use legwork_server::store::cancel::Cancel;
use legwork_server::store::claim::Claim;
use legwork_server::store::lease::{Held, Renew};

use crate::database::{LEASE_MILLIS, NODE, NOW, TestDb, assert_applied, claim, finish, lease, on_every_engine};

on_every_engine!(a_lease_holds_until_its_end_and_is_renewed, a_node_knows_what_it_holds);

async fn expired(db: &TestDb, after_millis: i64) -> Vec<Lease> {
    db.store.expired_leases(NOW.plus_millis(after_millis)).await.expect("an answer")
}

async fn a_lease_holds_until_its_end_and_is_renewed(db: &TestDb) {
    let lease = db.running().await;
    assert_eq!(expired(db, LEASE_MILLIS).await, []);
    assert_eq!(expired(db, LEASE_MILLIS + 1).await, [lease]);

    let until = NOW.plus_millis(3 * LEASE_MILLIS);
    db.write(Renew { node: "node_other".into(), until }).await;
    assert_eq!(expired(db, LEASE_MILLIS + 1).await, [lease], "another node's beat renews nothing of ours");
    db.write(Renew { node: NODE.into(), until }).await;
    assert_eq!(expired(db, LEASE_MILLIS + 1).await, []);
    assert_eq!(expired(db, 3 * LEASE_MILLIS + 1).await, [lease]);

    assert_applied(db.write(finish(lease, 2)).await);
    assert_eq!(expired(db, i64::MAX / 4).await, [], "what has ended has no lease");
}

async fn a_node_knows_what_it_holds(db: &TestDb) {
    let mine = db.running().await;
    let cancelled = db.running().await;
    db.put(db.job()).await;
    let other = db.write(Claim { node: "node_other".into(), ..claim("default", 1) }).await;
    db.put(db.job()).await;
    let asked = "Cancelled by kim.".to_owned();
    db.write(Cancel { id: cancelled.id, message: asked.clone(), now: NOW }).await;

    db.write(Renew { node: NODE.into(), until: NOW }).await;
    let mut held = db.store.held_by(NODE).await.expect("an answer");
    held.sort_by_key(|held| held.lease.id);
    let expected = [
        Held { home: mine.id, lease: mine, cancel_requested: None, orders: 0 },
        Held { home: cancelled.id, lease: cancelled, cancel_requested: Some(asked), orders: 0 },
    ];
    assert_eq!(held, expected);
    let others = db.store.held_by("node_other").await.expect("an answer");
    assert_eq!(
        others,
        [Held { home: lease(&other[0]).id, lease: lease(&other[0]), cancel_requested: None, orders: 0 }]
    );
    assert_eq!(db.store.held_by("node_nobody").await.expect("an answer"), []);
}
