//! What an agent sees of its workspace, and what stays of what it does there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use legwork_model::WorkspaceMount;

use crate::lab::{Lab, World};

const SCRIPT: &str = "run cat given; echo new >new; echo more >>given; mkdir d && echo in >d/file; cat new d/file";

fn lab(world: &World, how: WorkspaceMount) -> Lab {
    let lab = Lab::with(world, SCRIPT, |attempt| attempt.confinement.container.workspace = how);
    fs::write(lab.dirs.work().join("given"), "given\n").expect("written");
    lab
}

pub(crate) async fn it_can_be_changed(world: Arc<World>) {
    let lab = lab(&world, WorkspaceMount::Rw);
    let work = lab.dirs.work();
    assert_eq!(lab.run(&world).await.texts(), ["given\nnew\nin"]);
    assert_eq!(fs::read_to_string(work.join("given")).expect("it"), "given\nmore\n");
    let made = fs::metadata(work.join("d/file")).expect("it");
    assert_eq!(made.uid(), fs::metadata("/proc/self").expect("it").uid(), "it is ours again");
}

pub(crate) async fn it_can_be_read(world: Arc<World>) {
    let lab = lab(&world, WorkspaceMount::Ro);
    let work = lab.dirs.work();
    let done = lab.run(&world).await;
    let texts = done.texts();
    assert!(texts[0].starts_with("given") && texts[0].contains("Read-only file system"), "{texts:?}");
    assert_eq!(fs::read_dir(work).expect("it").count(), 1);
}

pub(crate) async fn it_can_be_a_copy(world: Arc<World>) {
    let lab = lab(&world, WorkspaceMount::Copy);
    let work = lab.dirs.work();
    assert_eq!(lab.run(&world).await.texts(), ["given\nnew\nin"]);
    assert_eq!(fs::read_to_string(work.join("given")).expect("it"), "given\n");
    assert_eq!(fs::read_dir(work).expect("it").count(), 1);
    assert_eq!(fs::read_dir(world.data.path().join("copies")).expect("it").count(), 0, "the copy is gone");
}
