//! A plan in the engine's words. All of what a container may not do is on this page.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    ResourcesUlimits,
};

use super::plan::{Mounted, Plan, Reach};

/// What a container's first process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Main {
    /// The agent.
    Agent,
    /// A shell that becomes the agent when it is told to, by a line.
    AgentWhenTold,
    /// A shell that does nothing, so that the container stays.
    Holder,
}

/// `read` takes no more than the line, so the rest is left for the agent.
const WHEN_TOLD: [&str; 4] = ["/bin/sh", "-c", "read -r told && exec \"$@\"", "agent"];
const HOLD: [&str; 3] = ["/bin/sh", "-c", "read -r never"];

/// Nobody, so that no agent can end it.
const HOLDER: &str = "65534:65534";

/// Open files: plenty for an agent, and no more than an engine that is itself in a sandbox may usually hand out.
const OPEN_FILES: i64 = 16_384;

/// Processes of a user, where the engine would else set far more than it may: what holds is the limit of the container.
const PROCESSES: i64 = 32_768;

/// The container of a plan. On Podman, what it prints is kept the way that Podman does.
pub(super) fn body(plan: &Plan, main: Main, labels: HashMap<String, String>, is_podman: bool) -> ContainerCreateBody {
    let is_agent = main != Main::Holder;
    let (entrypoint, cmd) = command(plan, main);
    ContainerCreateBody {
        image: Some(plan.image.clone()),
        hostname: Some("legwork".to_owned()),
        user: Some(if is_agent { plan.user.to_string() } else { HOLDER.to_owned() }),
        entrypoint: Some(entrypoint),
        cmd: Some(cmd),
        env: Some(if is_agent { plan.env.clone() } else { Vec::new() }),
        // Those of its jobs may not be there yet.
        working_dir: Some(if is_agent { plan.directory.clone() } else { "/".to_owned() }),
        labels: Some(labels),
        tty: Some(false),
        open_stdin: Some(true),
        // An agent whose server dies reads the end of its input; it goes on with what it has.
        stdin_once: Some(is_agent),
        attach_stdin: Some(is_agent),
        attach_stdout: Some(is_agent),
        attach_stderr: Some(is_agent),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(host_config(plan, is_agent, is_podman)),
        ..ContainerCreateBody::default()
    }
}

fn command(plan: &Plan, main: Main) -> (Vec<String>, Vec<String>) {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match (main, plan.argv.split_first()) {
        (Main::Holder, _) | (_, None) => (owned(&HOLD), Vec::new()),
        (Main::AgentWhenTold, _) => (owned(&WHEN_TOLD), plan.argv.clone()),
        (Main::Agent, Some((program, arguments))) => (vec![program.clone()], arguments.to_vec()),
    }
}

fn host_config(plan: &Plan, is_agent: bool, is_podman: bool) -> HostConfig {
    let ulimit =
        |name: &str, most| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) };
    let mut ulimits = vec![ulimit("core", 0), ulimit("nofile", OPEN_FILES)];
    ulimits.extend(is_podman.then(|| ulimit("nproc", PROCESSES)));
    let memory = plan.resources.memory.map(|memory| signed(memory.bytes()));
    let network = match &plan.network {
        Reach::Nothing { .. } => "none".to_owned(),
        Reach::Named(name) => name.clone(),
    };
    let without = matches!(plan.network, Reach::Nothing { .. });
    HostConfig {
        init: Some(true),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security(plan, is_podman)),
        readonly_rootfs: Some(plan.read_only_root),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(network),
        // Asking a name fails at once: nobody listens there.
        dns: without.then(|| vec!["127.0.0.1".to_owned()]),
        dns_options: without.then(|| vec!["timeout:1".to_owned(), "attempts:1".to_owned()]),
        dns_search: without.then(|| vec![".".to_owned()]),
        sysctls: (plan.network == Reach::Nothing { has_ipv6: true })
            .then(|| HashMap::from([("net.ipv6.conf.all.disable_ipv6".to_owned(), "1".to_owned())])),
        memory,
        // Together with swap, so that there is none.
        memory_swap: memory,
        nano_cpus: plan.resources.cpus.map(|cpus| i64::from(cpus.millis()) * 1_000_000),
        pids_limit: plan.resources.pids.map(i64::from),
        ulimits: Some(ulimits),
        mounts: Some(plan.mounts.iter().map(mount).collect()),
        tmpfs: Some(tmpfs(plan)),
        log_config: log(is_agent, is_podman),
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

fn tmpfs(plan: &Plan) -> HashMap<String, String> {
    let tmp = ("/tmp".to_owned(), format!("rw,exec,nosuid,nodev,mode=1777,size={}", plan.tmp_bytes));
    let run = ("/run".to_owned(), "rw,noexec,nosuid,nodev,mode=1777,size=16777216".to_owned());
    let mount_point =
        plan.mount_point.clone().map(|path| (path, "ro,noexec,nosuid,nodev,mode=755,size=4096".to_owned()));
    [tmp, run].into_iter().chain(mount_point).collect()
}

/// Without a filter of the operator's, the engine has its own.
fn security(plan: &Plan, is_podman: bool) -> Vec<String> {
    let seccomp = plan.seccomp.as_ref().map(|profile| profile.option(is_podman));
    std::iter::once("no-new-privileges".to_owned()).chain(seccomp).collect()
}

fn mount(mounted: &Mounted) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(mounted.source.clone()),
        target: Some(mounted.target.clone()),
        read_only: Some(mounted.read_only),
        ..Mount::default()
    }
}

/// Kept byte for byte and from the beginning on, for whoever attaches again; the run's own limit ends a flood.
fn log(is_agent: bool, is_podman: bool) -> Option<HostConfigLogConfig> {
    let log = |typ: &str, config: &[(&str, &str)]| HostConfigLogConfig {
        typ: Some(typ.to_owned()),
        config: Some(config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()),
    };
    match (is_agent, is_podman) {
        (_, true) => None,
        (false, false) => Some(log("none", &[])),
        (true, false) => Some(log("local", &[("max-size", "1024g"), ("max-file", "1"), ("compress", "false")])),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use legwork_model::{ByteSize, Cpus};

    use super::*;
    use crate::sandbox::Resources;
    use crate::sandbox::docker::plan::User;

    fn plan() -> Plan {
        let mounted = |path: &str, read_only| Mounted { source: path.into(), target: path.into(), read_only };
        Plan {
            image: "agents:1".into(),
            user: User { uid: 1000, gid: 1001 },
            mounts: vec![mounted("/data/home", false), mounted("/opt/agents", true)],
            mount_point: None,
            directory: "/data/home/work".into(),
            argv: vec!["claude".into(), "--print".into(), "--privileged; $(x)".into()],
            env: vec!["A=b c".into()],
            read_only_root: true,
            tmp_bytes: 1024,
            resources: Resources { memory: ByteSize::new(2 << 30), cpus: Cpus::new(1500), pids: Some(256) },
            network: Reach::Nothing { has_ipv6: true },
            seccomp: None,
        }
    }

    fn labels() -> HashMap<String, String> {
        HashMap::from([("claude-code-service".to_owned(), "true".to_owned())])
    }

    /// Sorted, as the fields of the engine's own types are not.
    fn json(body: &ContainerCreateBody) -> serde_json::Value {
        serde_json::to_value(body).expect("JSON")
    }

    #[test]
    fn the_whole_of_what_the_engine_is_told() {
        insta::assert_json_snapshot!(json(&body(&plan(), Main::AgentWhenTold, labels(), false)));
    }

    #[test]
    fn an_agent_with_a_route_is_started_at_once() {
        let plan = Plan { network: Reach::Named("host".into()), ..plan() };
        let body = json(&body(&plan, Main::Agent, labels(), true));
        assert_eq!(body["Entrypoint"], serde_json::json!(["claude"]));
        assert_eq!(body["Cmd"], serde_json::json!(["--print", "--privileged; $(x)"]));
        assert_eq!(body["HostConfig"]["NetworkMode"], "host");
        assert_eq!(body["HostConfig"].get("Dns"), None);
        assert_eq!(body["HostConfig"].get("LogConfig"), None);
    }

    #[test]
    fn a_holder_knows_nothing_of_its_jobs() {
        let body = json(&body(&plan(), Main::Holder, labels(), false));
        assert_eq!(body["Env"], serde_json::json!([]));
        assert_eq!(body["User"], HOLDER);
        assert!(!body.to_string().contains("claude --print"));
    }
}
