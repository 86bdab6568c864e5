//! Runs in containers, with an engine of their own: what holds for every run holds for them, and what they may not, they
//! can't. One engine for all of them, so they are one test; each leaves no container behind.

#![cfg(test)]

mod engine;
mod lab;

mod again;
mod attacks;
mod faults;
mod images;
mod kept;
mod limits;
mod output;
mod stopping;
mod workspace;

#[path = "../common/nowhere.rs"]
mod nowhere;
#[path = "../common/serving.rs"]
mod serving;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use engine::{Engine, Kind};
use lab::World;
use serving::PYTHON;

type Scenario = fn(Arc<World>) -> BoxFuture<'static, ()>;

macro_rules! scenarios {
    ($($module:ident { $($name:ident),* $(,)? })*) => {
        [$($((concat!(stringify!($module), "::", stringify!($name)), |world| $module::$name(world).boxed())),*),*]
    };
}

const SCENARIOS: &[(&str, Scenario)] = &scenarios! {
    output {
        an_answer_is_a_success,
        an_exit_code_is_told,
        what_an_agent_is_given_arrives,
        a_long_answer_is_whole,
        a_flood_is_cut_off_at_the_cap,
        many_runs_leave_nothing,
        a_run_takes_about_as_long_as_with_docker_run,
    }
    stopping {
        a_cancelled_run_leaves_nothing,
        everybody_is_asked_to_end,
        what_is_left_behind_is_ended,
        a_run_that_is_given_up_is_ended,
    }
    workspace { it_can_be_changed, it_can_be_read, it_can_be_a_copy }
    limits { memory, processes, processors, system_calls, files }
    attacks {
        without_a_route_there_is_nothing_but_the_uplink,
        sockets_of_the_machine_are_not_there,
        nothing_is_permitted,
        the_secrets_of_the_machine_are_not_there,
        other_runs_are_not_there,
        the_system_is_not_handed_out,
        an_odd_name_never_gets_to_the_engine,
    }
    kept {
        a_container_serves_one_job_after_the_other,
        nothing_of_a_job_is_left_for_the_next,
        another_configuration_is_another_container,
        what_git_obeys_is_guarded_in_every_job,
        a_job_that_takes_too_much_takes_its_container_along,
        a_container_that_is_not_wanted_is_put_away,
        jobs_with_directories_of_their_own_share_a_container,
        a_project_has_its_own_directory,
        a_link_in_the_place_of_a_directory_is_not_followed,
        a_program_that_waits_for_its_job_gives_way_to_another,
        a_program_that_waits_ends_with_its_container,
        an_uplink_of_each_job,
    }
    images { a_script_is_run_once, a_script_that_fails_says_how, a_script_that_hangs_is_given_up }
    again {
        a_run_goes_on_without_its_server,
        a_run_that_ended_meanwhile_is_told_from_the_beginning,
        a_job_in_a_kept_container_goes_on_without_its_server,
        a_job_in_a_kept_container_that_ended_meanwhile_is_told_from_the_beginning,
        a_kept_container_that_nobody_comes_for_ends,
        a_job_in_a_kept_container_ends_in_time_without_a_server,
        what_is_said_after_a_restart_is_heard,
        what_is_said_in_a_kept_container_after_a_restart_is_heard,
        a_program_that_serves_http_goes_on,
        a_program_that_serves_http_in_a_kept_container_goes_on,
        a_server_that_leaves_leaves_its_containers,
        a_run_that_nobody_comes_for_ends,
        a_sweep_removes_the_dead_and_nothing_else,
        a_sweep_removes_nothing_of_its_own_server,
        a_sweep_ends_what_should_be_over,
    }
    faults {
        the_engine_says_what_it_is,
        an_image_that_is_not_there,
        a_program_that_is_not_there,
        a_name_that_is_taken,
        an_engine_that_is_not_there,
        // The last: it kills the engine.
        an_engine_that_dies_meanwhile,
    }
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers() {
    all_of(SCENARIOS, Kind::Docker).await;
}

/// What is told of Podman, `docs/sandboxes.md` says.
const NOT_OF_PODMAN: &[&str] = &[
    // It does not say that memory ran out.
    "limits::memory",
    "kept::a_job_that_takes_too_much_takes_its_container_along",
    // Its init is in `/run`, and its filter lets a run have users of its own.
    "attacks::sockets_of_the_machine_are_not_there",
    "attacks::nothing_is_permitted",
    // Its init says in other words that there is no such program.
    "faults::a_program_that_is_not_there",
    // These are about the other engine, or take long.
    "faults::the_engine_says_what_it_is",
    "faults::an_image_that_is_not_there",
    "output::many_runs_leave_nothing",
    "output::a_run_takes_about_as_long_as_with_docker_run",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_podman() {
    let scenarios: Vec<_> = SCENARIOS.iter().filter(|(name, _)| !NOT_OF_PODMAN.contains(name)).copied().collect();
    all_of(&scenarios, Kind::Podman).await;
}

/// In one process, the runners of one engine would end what those of the other started.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn all_of(scenarios: &[(&str, Scenario)], kind: Kind) {
    let _alone = ALONE.lock().await;
    let engine = match Engine::start(kind, &[PYTHON]) {
        Ok(engine) => engine,
        Err(reason) => return eprintln!("SKIPPED  runs in containers of {kind:?}: {reason}"),
    };
    let world = Arc::new(World::new(engine));
    let mut failed = Vec::new();
    for (name, scenario) in scenarios.iter().filter(|(name, _)| wanted(name)) {
        let begun = tokio::time::Instant::now();
        let ended = tokio::spawn(scenario(Arc::clone(&world))).await;
        let left = world.engine().containers();
        if ended.is_err() || !left.is_empty() {
            failed.push(format!("{name} (containers left: {left:?})"));
        }
        eprintln!("{:>6} ms  {name}", begun.elapsed().as_millis());
    }
    assert_eq!(failed, Vec::<String>::new());
}

/// All, but where a person asks for some.
fn wanted(name: &str) -> bool {
    option_env!("LEGWORK_TEST_CONTAINERS").is_none_or(|wanted| name.contains(wanted))
}
