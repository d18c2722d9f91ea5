//! A real Docker engine for tests. Needs a running one and the image `gantry-test/busybox:1` (`.ci/docker-up` makes sure of both).

use std::process::Command;

use gantry::base::{Clock, InstanceId, Tasks};
use gantry::executor::{Docker, Executor};

use super::{IMAGE, NoServices, TestJob, new_instance};

/// A Docker executor of an instance of its own, of which nothing stays behind.
pub struct Rig {
    pub docker: Docker,
    pub instance: InstanceId,
    /// As in `DOCKER_HOST`.
    host: Option<String>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::at(None).await
    }

    /// The same engine under an address that could be another machine's: nothing is shared with it but what goes through its API.
    pub async fn remote() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "a test has no tasks to wait for")]
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut engine = tokio::net::UnixStream::connect("/var/run/docker.sock").await?;
                    tokio::io::copy_bidirectional(&mut client, &mut engine).await
                });
            }
        });
        Self::at(Some(host)).await
    }

    async fn at(host: Option<String>) -> Self {
        let instance = new_instance();
        let docker = Docker::connect(host.as_deref(), instance.clone(), Tasks::default(), Clock::System);
        docker.health().await.expect("these tests need a Docker engine; `.ci/docker-up` makes sure of one");
        let image = docker.has_image(IMAGE).await.unwrap();
        assert!(image, "these tests need the image {IMAGE}; `.ci/docker-up` makes it");
        Self { docker, instance, host }
    }

    /// Another server process of the same instance: it remembers nothing.
    pub fn restarted(&self) -> Server {
        let tasks = Tasks::default();
        Server { docker: Docker::connect(self.host.as_deref(), self.instance.clone(), tasks.clone(), Clock::System), tasks }
    }

    pub async fn job(&self) -> TestJob {
        let job = TestJob::new();
        self.docker.prepare(&job.spec, &NoServices).await.unwrap();
        job
    }

    /// Names of this instance's containers, in any state.
    pub fn containers(&self) -> Vec<String> {
        docker(&["ps", "-a", "--filter", &format!("label=io.gantry.instance={}", self.instance), "--format", "{{.Names}}"])
    }

    pub fn step_containers(&self) -> Vec<String> {
        let label = format!("label=io.gantry.instance={}", self.instance);
        docker(&["ps", "-a", "--filter", &label, "--filter", "label=io.gantry.key", "--format", "{{.Names}}"])
    }

    pub fn networks(&self) -> Vec<String> {
        docker(&["network", "ls", "--filter", &format!("label=io.gantry.instance={}", self.instance), "--format", "{{.Name}}"])
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for container in self.containers() {
            docker(&["rm", "-f", "-v", &container]);
        }
        for network in self.networks() {
            docker(&["network", "rm", &network]);
        }
    }
}

/// One process of a server: what it does in the background can be made to end.
pub struct Server {
    docker: Docker,
    pub tasks: Tasks,
}

impl std::ops::Deref for Server {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

/// The command line client, as another witness. Gives the lines it prints.
pub fn docker(args: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(args).output().expect("the docker client is installed");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
