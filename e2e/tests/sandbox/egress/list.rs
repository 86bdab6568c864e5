//! Lists that would let too much through, or nothing.

use legwork_model::DomainPattern;

use super::world::World;
use crate::lab::Attacker;

as_each_user! {
    row_31_an_empty_list_allows_nothing,
}

in_containers! {
    row_31_an_empty_list_allows_nothing,
}

#[test]
fn row_31_a_list_with_too_much_in_it_is_refused_when_it_is_read() {
    for text in ["*", "*.com", "*.*", "http://x", "a b", r"x\nhttp_access allow all", "a.test:22", "10.0.0.0/8", ""] {
        let read = serde_json::from_str::<Vec<DomainPattern>>(&format!(r#"["{text}"]"#));
        assert!(read.is_err(), "{text:?}");
    }
}

async fn row_31_an_empty_list_allows_nothing(attacker: Attacker) {
    let mut world = World::new().await;
    world.allowed.clear();
    let script = r#"
say("https", curl("https://allowed.test/"))
say("http", curl("http://allowed.test/"))
"#;
    world.attack(attacker, script).await.told.check(&[("https", "000 403"), ("http", "403 000")]);
    assert!(world.names.asked().is_empty());
}
