//! The proxies of other runs.

use super::world::{World, attack_in};
use crate::lab::Attacker;

as_each_user! {
    row_24_the_proxy_of_another_run_is_out_of_reach,
}

in_containers! {
    row_24_the_proxy_of_another_run_is_out_of_reach,
}

/// The other's list is longer, and its credential is known.
async fn row_24_the_proxy_of_another_run_is_out_of_reach(attacker: Attacker) {
    let mut world = World::new().await;
    let (other, others_proxy) = world.run(attacker, "of-the-other");
    let mut going = other.start("text ready\nhang");
    while going.until_text().await != "ready" {}
    world.allowed.clear();
    let (lab, proxy) = world.run(attacker, "token");
    let script = r#"
request = "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n"
say("the other's", status(f"{request}{key('of-the-other')}\r\n"))
say("none", status(f"{request}\r\n"))
say("a bearer", status(f"{request}Proxy-Authorization: Bearer token\r\n\r\n"))
say("its own", status(f"{request}{key()}\r\n"))
say("curl", curl("--proxy", "http://run:of-the-other@127.0.0.1:3128", "https://allowed.test/"))
"#;
    let told = attack_in(&lab, script).await;
    let answers =
        [("the other's", "407"), ("none", "407"), ("a bearer", "407"), ("its own", "403"), ("curl", "000 407")];
    told.check(&answers);
    going.cancel().await;
    assert_eq!(proxy.end().await, [":0 denied Credential x4", "allowed.test:443 denied NotListed x1"]);
    assert_eq!(others_proxy.end().await, Vec::<String>::new(), "nobody came there");
    assert!(world.names.asked().is_empty());
}
