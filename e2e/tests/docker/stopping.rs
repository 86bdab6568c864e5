//! However a run ends, all of it ends.

use std::sync::Arc;

use legwork_model::Verdict;

use crate::lab::{Lab, World};

pub(crate) async fn a_cancelled_run_leaves_nothing(world: Arc<World>) {
    let script =
        "ignore-term\nspawn child stubborn m\nspawn detached stubborn m\nspawn cleared stubborn m\ntext on\nhang";
    let mut going = Lab::new(&world, script).start(&world.runner);
    going.until_text().await;
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict, Verdict::Cancelled { message: "asked by a test".into() });
    assert_eq!(done.outcome.exit.and_then(|exit| exit.signal), Some(9));
    assert_eq!(world.engine().containers(), Vec::<String>::new());
}

/// Those that nobody is the parent of any more, too. With the first process all of them end, so that one takes its time.
pub(crate) async fn everybody_is_asked_to_end(world: Arc<World>) {
    let trap = "trap 'echo asked >$HOME/asked; exit' TERM; echo on >$HOME/on; while :; do sleep 0.02; done";
    let started = format!("run setsid sh -c \"{}\" >/dev/null 2>&1 &", trap.replace('$', "\\$"));
    let script = format!("ignore-term\n{started}\nrun while ! [ -e $HOME/on ]; do sleep 0.02; done\ntext on\nhang");
    let lab = Lab::new(&world, &script);
    let home = lab.dirs.home();
    let mut going = lab.start(&world.runner);
    while going.until_text().await != "on" {}
    going.cancel();
    going.end().await;
    assert_eq!(std::fs::read_to_string(home.join("asked")).expect("it was asked"), "asked\n");
}

pub(crate) async fn what_is_left_behind_is_ended(world: Arc<World>) {
    for how in ["child", "holding", "detached", "cleared"] {
        let done = Lab::new(&world, &format!("spawn {how} stubborn m\ntext done")).run(&world).await;
        assert_eq!(done.texts(), ["done"], "{how}");
    }
}

pub(crate) async fn a_run_that_is_given_up_is_ended(world: Arc<World>) {
    let mut going = Lab::new(&world, "text on\nhang").start(&world.runner);
    going.until_text().await;
    going.ended.abort();
    let gone = async {
        while !world.engine().containers().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::lab::PATIENCE, gone).await.expect("it is removed");
}
