//! The engine's API without anything around it: what the same containers cost when nobody keeps a record of them.

use std::sync::Arc;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::docker_run;
use crate::process::IMAGE;
use crate::watch::Watch;

/// The engine where Docker's own client finds it.
pub fn engine() -> Docker {
    Docker::connect_with_defaults().expect("the engine's address")
}

/// Milliseconds until `jobs` jobs of a sandbox and one step have ended, so many of them at a time. Each is what cannot be left out: a container that
/// holds the network, a container that joins it, attached to and started, its output read to the end. They are removed beside it.
pub async fn jobs_ms(jobs: usize, at_a_time: usize) -> f64 {
    let docker = engine();
    let gate = Arc::new(Semaphore::new(at_a_time));
    let watch = Watch::start();
    let mut running = JoinSet::new();
    for job in 0..jobs {
        let (docker, gate) = (docker.clone(), Arc::clone(&gate));
        running.spawn(async move {
            let permit = gate.acquire_owned().await.expect("never closed");
            let name = format!("gantry-bench-{}-{job}", std::process::id());
            let sandbox = Container::start(&docker, &format!("{name}-sandbox"), &["sleep", "1000"], None).await;
            let words: Vec<&str> = docker_run::STEP.split(' ').collect();
            let step = Container::start(&docker, &name, &words, Some(&sandbox.name)).await;
            let (step, said) = step.output().await;
            assert_eq!(said, 3);
            drop(permit);
            step.remove().await;
            sandbox.remove().await;
        });
    }
    let mut over = None;
    while let Some(done) = running.join_next().await {
        done.expect("a job");
        over = Some(watch.ms());
    }
    over.expect("some jobs")
}

/// Milliseconds until a reader that is attached to a container with Docker's default way of keeping output has got all of it.
pub async fn attached_ms(command: &[&str], bytes: u64) -> f64 {
    let docker = engine();
    let name = format!("gantry-bench-{}-output", std::process::id());
    let watch = Watch::start();
    let container = Container::start(&docker, &name, command, None).await;
    let (container, said) = container.output().await;
    let ms = watch.ms();
    assert_eq!(said, bytes);
    container.remove().await;
    ms
}

type Pieces = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// A container that has been started.
struct Container {
    docker: Docker,
    name: String,
    output: Option<Pieces>,
}

impl Container {
    /// Made, attached to and started, in the network of another if there is one.
    async fn start(docker: &Docker, name: &str, command: &[&str], inside: Option<&str>) -> Self {
        let log = HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None };
        let network_mode = inside.map(|sandbox| format!("container:{sandbox}"));
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            cmd: Some(command.iter().map(ToString::to_string).collect()),
            host_config: Some(HostConfig { network_mode, log_config: Some(log), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        docker.create_container(Some(options), body).await.expect("a container is made");
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).build();
        let attached = docker.attach_container(name, Some(options)).await.expect("it can be attached to");
        docker.start_container(name, None::<StartContainerOptions>).await.expect("it starts");
        Self { docker: docker.clone(), name: name.to_owned(), output: Some(attached.output) }
    }

    /// How many bytes it said until its end.
    async fn output(mut self) -> (Self, u64) {
        let mut said = 0;
        let mut pieces = self.output.take().expect("read once");
        while let Some(piece) = pieces.next().await {
            said += piece.expect("output").into_bytes().len() as u64;
        }
        (self, said)
    }

    async fn remove(self) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        self.docker.remove_container(&self.name, Some(options)).await.expect("it is removed");
    }
}
