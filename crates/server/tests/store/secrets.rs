//! Secrets on record.

use legwork_server::store::secrets::{RemoveSecret, ResealSecrets, Resealed, SecretRecord, SetSecret};

use crate::database::{NOW, TestDb, on_every_engine};

on_every_engine!(secrets_are_set_found_and_removed, a_secret_that_was_set_meanwhile_is_not_encrypted_anew);

fn secret(name: &str, sealed: &str) -> SecretRecord {
    SecretRecord { name: name.into(), sealed: sealed.into(), key_id: "k1".into(), updated_at: NOW }
}

async fn secrets_are_set_found_and_removed(db: &TestDb) {
    let large = "x".repeat(100_000);
    for (name, sealed) in [("B", "1"), ("a", "2"), ("A", large.as_str()), ("B", "3")] {
        db.write(SetSecret(secret(name, sealed))).await;
    }
    let all = db.store.secrets().await.expect("an answer");
    let mut names: Vec<_> = all.iter().map(|secret| secret.name.as_str()).collect();
    // Engines differ in how they order letters.
    names.sort_unstable();
    assert_eq!(names, ["A", "B", "a"], "letters count as they are written");
    let mut named = db.store.secrets_named(&["B", "A", "C"]).await.expect("an answer");
    named.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(named, [secret("A", &large), secret("B", "3")]);
    let remove = |name: &str| RemoveSecret { name: name.into() };
    assert!(db.write(remove("a")).await);
    assert!(!db.write(remove("a")).await, "it is gone");
    assert_eq!(db.store.secrets().await.expect("an answer").len(), 2);
}

async fn a_secret_that_was_set_meanwhile_is_not_encrypted_anew(db: &TestDb) {
    for name in ["A", "B"] {
        db.write(SetSecret(secret(name, "old"))).await;
    }
    let reseal = |name: &str| {
        let after = SecretRecord { key_id: "k2".into(), ..secret(name, "new") };
        Resealed { before: secret(name, "old"), after }
    };
    db.write(SetSecret(secret("A", "set meanwhile"))).await;
    assert_eq!(db.write(ResealSecrets(vec![reseal("A"), reseal("B")])).await, 1);
    let mut all = db.store.secrets().await.expect("an answer");
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(all, [secret("A", "set meanwhile"), reseal("B").after]);
}
