//! What a step's container is made of: pure, so that the hardening can be read and tested in one place.
//!
//! **Invariants:** no capability, mount or device but those listed here; never privileged; never the engine's socket.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};

use super::allowance::{self, Allowance};
use super::engine::Link;
use super::sandbox::{self, Joins};
use super::{Limits, carried, names, overlay, program};
use crate::base::{AttemptKey, InstanceId};
use crate::executor::workspace::WORKSPACE;
use crate::executor::{StepSpec, wrote};
use crate::pipeline::{Action, Network};

/// Where the attempt's own directory is, read-only but for [`wrote::DIR`] in it.
pub(super) const PRIVATE: &str = "/gantry";
/// The script's name in it.
pub(super) const SCRIPT: &str = "script";
/// Where the record's directory is, writable, in it.
pub(super) const RECORD: &str = "run";

/// How a container's step begins, and how its output and its end become known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// Our own first process waits at a gate for what to run, and writes down what happens. `record` is the directory on this machine in which both are.
    Gate { record: PathBuf, is_parked: bool },
    /// The engine runs the step and keeps its output: where the engine and we share no sockets.
    Log,
    /// The same where we share no directories either: the work tree is a volume, and the step's files are put into the container.
    Carried,
}

/// What root keeps of its powers, since ordinary builds need it:
/// * `CHOWN`, `FOWNER`, `FSETID`: package managers and archives give files their owners and modes;
/// * `DAC_OVERRIDE`: root writes where an unprivileged user of the same job wrote;
/// * `SETUID`, `SETGID`: `su`, `gosu`, and package managers that fetch as a lesser user;
/// * `KILL`: ending a test server that runs as such a user.
///
/// Dropped with the rest: raw sockets (another's packets), device nodes, `chroot`, file capabilities, audit. Ports below 1024 need none, as the
/// engine opens them in a container's network.
pub(super) const CAPABILITIES: [&str; 7] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];

/// The signal with which the *engine* ends a step when it is itself stopped. It cannot be caught, so a step that the engine ended always has exit
/// code 137, and a script cannot turn the engine's end into its own success. Our own stops send SIGTERM first, by name.
pub(super) const ENGINE_STOP_SIGNAL: &str = "SIGKILL";

/// The container of one attempt, with the network that it has unless the step wants none.
pub(super) fn of_step(
    step: &StepSpec,
    instance: &InstanceId,
    joins: &Joins,
    limits: &Limits,
    link: &Link,
    form: &Form,
) -> ContainerCreateBody {
    let (entrypoint, cmd) = match (form, &step.action) {
        (Form::Gate { .. }, _) => (Some(vec![format!("{PRIVATE}/{}", program::NAME)]), Some(vec![format!("{PRIVATE}/{RECORD}")])),
        (Form::Log | Form::Carried, Action::Script { shell, .. }) => (Some(shell.clone()), Some(vec![script()])),
        (Form::Log | Form::Carried, Action::EntryPoint) => (None, None),
    };
    let (network, hostname) = match (step.network, joins) {
        (Network::Default, Joins::Sandbox(sandbox)) => (format!("container:{sandbox}"), None),
        (Network::Default, Joins::Shared(network)) => (network.clone(), Some(sandbox::HOSTNAME.to_owned())),
        // A namespace of its own with nothing in it but its own loopback.
        (Network::None, _) => ("none".to_owned(), None),
    };
    let allowance = Allowance::of(&step.resources, limits, link.cpus);
    let private = private_dir(&step.dirs.root, &step.key);
    let mut mounts = if *form == Form::Carried {
        let job = step.key.job_key();
        let labels = names::job_labels_with_title(instance, &job, &step.title, &step.dirs.root);
        vec![carried::mount(names::sandbox_name(instance, &job), labels)]
    } else {
        let mut mounts = vec![
            overlay::workspace(instance, &step.key.job_key(), &step.title, &step.dirs),
            bind(&private, PRIVATE, true),
            bind(&private.join(wrote::DIR), &format!("{PRIVATE}/{}", wrote::DIR), false),
        ];
        mounts.extend(step.dirs.shared.iter().map(|dir| bind(dir, &absolute(dir), true)));
        mounts
    };
    let mut labels = names::step_labels(instance, step);
    if *form == Form::Carried {
        names::add_carried(&mut labels);
    }
    let (env, log) = match form {
        Form::Gate { record, is_parked } => {
            mounts.push(bind(record, &format!("{PRIVATE}/{RECORD}"), false));
            let name = record.file_name().unwrap_or_default().to_string_lossy();
            names::add_record(&mut labels, &name, *is_parked);
            // All that it is to know comes through the gate.
            (None, HostConfigLogConfig { typ: Some("none".to_owned()), config: None })
        }
        Form::Log | Form::Carried => {
            (Some(environment(step).into_iter().map(|(name, value)| format!("{name}={value}")).collect()), log())
        }
    };
    ContainerCreateBody {
        image: step.image.clone(),
        hostname,
        entrypoint,
        cmd,
        env,
        working_dir: Some(WORKSPACE.to_owned()),
        labels: Some(labels),
        stop_signal: Some(ENGINE_STOP_SIGNAL.to_owned()),
        host_config: Some(allowance.within(HostConfig {
            network_mode: Some(network),
            mounts: Some(mounts),
            log_config: Some(log),
            // As the first process of a container a script would never see SIGTERM (the kernel gives process 1 no default action): docker-init
            // takes that place, passes signals on and reaps, where our own first process does not.
            init: Some(!matches!(form, Form::Gate { .. }) && link.has_init),
            ..hardened(&CAPABILITIES)
        })),
        ..ContainerCreateBody::default()
    }
}

/// The part of every container that keeps it in its place.
pub(super) fn hardened(capabilities: &[&str]) -> HostConfig {
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities.iter().map(|name| (*name).to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        pids_limit: Some(allowance::PIDS),
        ..HostConfig::default()
    }
}

/// Where the attempts of a job have their own directories.
pub(super) fn private_dirs(root: &Path) -> PathBuf {
    root.join("steps")
}

/// The attempt's own directory on this machine.
pub(super) fn private_dir(root: &Path, key: &AttemptKey) -> PathBuf {
    private_dirs(root).join(format!("{}-{}", key.step, key.attempt))
}

/// A bind mount that, unlike the older form, does not make a missing source up.
pub(super) fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(absolute(source)),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// The engine takes no path relative to our working directory.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The script's path in the container.
pub(super) fn script() -> String {
    format!("{PRIVATE}/{SCRIPT}")
}

/// The step's whole environment, over that of its image.
pub(super) fn environment(step: &StepSpec) -> BTreeMap<String, String> {
    with_ours(step.env.clone())
}

/// The variables of a step, with those that are the same for every container.
pub(super) fn with_ours(mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.insert("CI_WORKSPACE".to_owned(), WORKSPACE.to_owned());
    env.extend(wrote::variables(&format!("{PRIVATE}/{}", wrote::DIR)));
    // The work tree belongs to the server's user and the step often runs as another: git refuses such a tree as "dubious ownership" unless it is told
    // that it is safe. It is the step's own tree, so it is; said by the environment, which overrides no file of the image.
    let count: usize = env.get("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    env.insert("GIT_CONFIG_COUNT".to_owned(), (count + 1).to_string());
    env.insert(format!("GIT_CONFIG_KEY_{count}"), "safe.directory".to_owned());
    env.insert(format!("GIT_CONFIG_VALUE_{count}"), "*".to_owned());
    env
}

/// The engine's log of a container is what we go on from after a crash, so it must be whole and exact: `local` keeps bytes as they are (`json-file`
/// replaces what is not UTF-8, after which counts of bytes no longer match), one file of a size never reached (a rotation would lose the
/// beginning), blocking (the other mode drops lines). Said in full, since the engine's configuration may have other defaults.
pub(super) fn log() -> HostConfigLogConfig {
    let options = [("max-size", "1000t"), ("max-file", "1"), ("compress", "false"), ("mode", "blocking")];
    HostConfigLogConfig {
        typ: Some("local".to_owned()),
        config: Some(HashMap::from(options.map(|(name, value)| (name.to_owned(), value.to_owned())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, RunId};
    use crate::executor::JobDirs;
    use crate::pipeline::Resources;

    fn spec(action: Action) -> StepSpec {
        StepSpec {
            key: AttemptKey { run: RunId::new(&Clock::System), job: 0, step: 2, attempt: 3 },
            title: "build / test".to_owned(),
            dirs: JobDirs {
                root: "/data/jobs/x".into(),
                workspace: "/data/jobs/x/workspace".into(),
                shared: vec!["/data/mirrors/r/objects".into()],
                layers: None,
            },
            image: Some("rust:1".to_owned()),
            pull: None,
            action,
            env: [("A", "1"), ("GIT_CONFIG_COUNT", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            grace_ms: 10_000,
            resources: Default::default(),
            network: Default::default(),
            before: Vec::new(),
        }
    }

    fn of(step: &StepSpec, form: &Form) -> ContainerCreateBody {
        joining(&Joins::Sandbox("box".to_owned()), step, form)
    }

    fn joining(joins: &Joins, step: &StepSpec, form: &Form) -> ContainerCreateBody {
        let client = bollard::Docker::connect_with_http("tcp://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION).unwrap();
        let link = Link { cpus: Some(2), ..Link::new(client) };
        of_step(step, &InstanceId::new(&Clock::System), joins, &Limits::default(), &link, form)
    }

    fn gate() -> Form {
        Form::Gate { record: "/data/jobs/x/steps/2-3/ab12".into(), is_parked: true }
    }

    fn body(action: Action) -> ContainerCreateBody {
        of(&spec(action), &Form::Log)
    }

    #[test]
    fn a_script_runs_by_its_shell_from_a_file_and_an_entry_point_as_the_image_says() {
        let shell = vec!["/bin/sh".to_owned(), "-e".to_owned()];
        let script = body(Action::Script { shell: shell.clone(), text: "true".to_owned() });
        assert_eq!(script.entrypoint, Some(shell));
        assert_eq!(script.cmd, Some(vec!["/gantry/script".to_owned()]));
        let image = body(Action::EntryPoint);
        assert_eq!((image.entrypoint, image.cmd), (None, None));
    }

    #[test]
    fn a_container_at_the_gate_knows_neither_command_nor_environment_and_logs_nothing() {
        for action in [Action::EntryPoint, Action::Script { shell: vec!["sh".to_owned()], text: "true".to_owned() }] {
            let body = of(&spec(action), &gate());
            assert_eq!(body.entrypoint, Some(vec!["/gantry/init".to_owned()]));
            assert_eq!(body.cmd, Some(vec!["/gantry/run".to_owned()]));
            assert_eq!(body.env, None);
            let labels = body.labels.unwrap();
            assert_eq!(names::record_dir(&labels), Some("/data/jobs/x/steps/2-3/ab12".into()));
            assert!(names::is_parked(&labels));
            let host = body.host_config.unwrap();
            assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
            assert_eq!(host.init, Some(false));
            assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
            let writable: Vec<_> = host.mounts.unwrap().into_iter().filter(|m| m.read_only == Some(false)).collect();
            let targets: Vec<_> = writable.iter().map(|m| m.target.as_deref().unwrap()).collect();
            assert_eq!(targets, ["/workspace", "/gantry/out", "/gantry/run"]);
            assert_eq!(writable[2].source.as_deref(), Some("/data/jobs/x/steps/2-3/ab12"));
        }
    }

    #[test]
    fn only_the_work_tree_and_the_steps_own_files_can_be_written_and_nothing_else_of_the_machine_is_seen() {
        let host = body(Action::EntryPoint).host_config.unwrap();
        let mounts: Vec<_> =
            host.mounts.unwrap().into_iter().map(|m| (m.source.unwrap(), m.target.unwrap(), m.read_only.unwrap())).collect();
        let expected = [
            ("/data/jobs/x/workspace", "/workspace", false),
            ("/data/jobs/x/steps/2-3", "/gantry", true),
            ("/data/jobs/x/steps/2-3/out", "/gantry/out", false),
            ("/data/mirrors/r/objects", "/data/mirrors/r/objects", true),
        ];
        assert_eq!(mounts, expected.map(|(source, target, ro)| (source.to_owned(), target.to_owned(), ro)));
        assert_eq!(host.binds, None);
        assert_eq!(host.privileged, Some(false));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.network_mode.as_deref(), Some("container:box"));
        let joins = Joins::Shared("5e4d".to_owned());
        let alone = joining(&joins, &spec(Action::EntryPoint), &gate());
        assert_eq!(alone.hostname.as_deref(), Some("gantry"));
        assert_eq!(alone.host_config.unwrap().network_mode.as_deref(), Some("5e4d"));
    }

    #[test]
    fn a_carried_step_sees_the_jobs_volume_and_nothing_of_any_machine() {
        let step = spec(Action::EntryPoint);
        let body = of(&step, &Form::Carried);
        assert!(names::is_carried(&body.labels.unwrap()));
        let mounts = body.host_config.unwrap().mounts.unwrap();
        assert_eq!(mounts.len(), 1);
        assert_eq!((mounts[0].typ, mounts[0].target.as_deref()), (Some(MountType::VOLUME), Some("/workspace")));
        assert!(mounts[0].source.as_deref().unwrap().ends_with(&step.key.job_key().to_string()));
        assert!(body.env.unwrap().iter().any(|variable| variable == "GANTRY_OUTPUT=/gantry/out/output"));
    }

    #[test]
    fn a_step_without_a_network_joins_nobodys_and_its_limits_are_the_jobs() {
        let resources = Resources { cpu_millis: Some(500), memory_bytes: Some(1 << 20), pids: Some(7) };
        let step = StepSpec { network: Network::None, resources, ..spec(Action::EntryPoint) };
        let host = of(&step, &gate()).host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        let alone = joining(&Joins::Shared("5e4d".to_owned()), &step, &gate());
        assert_eq!((alone.hostname, alone.host_config.unwrap().network_mode.as_deref()), (None, Some("none")));
        assert_eq!((host.nano_cpus, host.memory, host.memory_swap), (Some(500_000_000), Some(1 << 20), Some(1 << 20)));
        assert_eq!(host.pids_limit, Some(7));
    }

    #[test]
    fn git_is_told_that_the_tree_is_safe_beside_what_the_step_configures_itself() {
        let env = body(Action::EntryPoint).env.unwrap();
        for line in
            ["A=1", "CI_WORKSPACE=/workspace", "GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*"]
        {
            assert!(env.iter().any(|entry| entry == line), "{line} in {env:?}");
        }
    }
}
