//! API keys on record.

use legwork_server::admission::{Permission, Permissions, new_key};
use legwork_server::store::api_keys::{AddApiKey, ApiKeyRecord, RevokeApiKey};

use crate::database::{NOW, TestDb, on_every_engine};

on_every_engine!(keys_are_added_found_and_revoked, a_name_is_taken_once);

fn key(db: &TestDb, name: &str) -> ApiKeyRecord {
    let permissions: Permissions = "execute,read".parse().expect("permissions");
    assert!(!permissions.allow(Permission::Admin));
    new_key(&db.ids, name, &permissions, NOW, Some(NOW.plus_millis(1))).record
}

async fn keys_are_added_found_and_revoked(db: &TestDb) {
    assert!(!db.store.has_api_keys().await.expect("an answer"));
    let one = key(db, "one");
    let two = ApiKeyRecord { created_at: NOW.plus_millis(1), expires_at: None, ..key(db, "zwei 🗝") };
    db.write(AddApiKey(one.clone())).await;
    db.write(AddApiKey(two.clone())).await;
    assert_eq!(db.store.api_keys().await.expect("keys"), [one.clone(), two.clone()]);
    assert_eq!(db.store.api_key_by_hash(&two.hash).await.expect("an answer"), Some(two.clone()));
    assert_eq!(db.store.api_key_by_hash(&two.hash.to_uppercase()).await.expect("an answer"), None);

    let later = NOW.plus_millis(9);
    let revoke = |name: &str| RevokeApiKey { name: name.into(), now: later };
    assert!(!db.write(revoke("three")).await);
    assert!(db.write(revoke("zwei 🗝")).await);
    assert!(!db.write(revoke("zwei 🗝")).await, "there is nothing left to revoke");
    let revoked = ApiKeyRecord { revoked_at: Some(later), ..two };
    assert_eq!(db.store.api_keys().await.expect("keys"), [one, revoked]);
    assert!(db.store.has_api_keys().await.expect("an answer"));
}

async fn a_name_is_taken_once(db: &TestDb) {
    let first = key(db, "ci");
    db.write(AddApiKey(first.clone())).await;
    let error = db.store.write(AddApiKey(key(db, "ci"))).await.expect_err("the name is taken");
    assert!(error.is_duplicate(), "{error}");
    db.write(RevokeApiKey { name: "ci".into(), now: NOW }).await;
    let error = db.store.write(AddApiKey(key(db, "ci"))).await.expect_err("a revoked key keeps its name");
    assert!(error.is_duplicate(), "{error}");
    db.write(AddApiKey(key(db, "CI"))).await;
    assert_eq!(db.store.api_keys().await.expect("keys").len(), 2);
}
