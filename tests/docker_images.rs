//! What other tests stand on: an engine, and the images that `.ci/docker-up` makes.

use std::process::Command;

/// Runs `docker` and answers its output; anything but success fails the test with the engine's own words.
#[track_caller]
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker client is missing: run .ci/docker-up");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?} failed (is an engine running? run .ci/docker-up --all): {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn in_image(image: &str, user: &str, script: &str) -> Vec<String> {
    let output = docker(&["run", "--rm", "--network=none", "--user", user, image, "/bin/sh", "-ec", script]);
    output.lines().map(str::to_owned).collect()
}

#[test]
fn the_busybox_image_has_a_shell_its_tools_and_two_users() {
    let lines = in_image(
        "gantry-test/busybox:1",
        "0:0",
        "whoami; su user -c whoami; stat -c %a /tmp; for tool in sh env seq sleep grep timeout; do [ -x /bin/$tool ] && echo $tool; done",
    );
    let tools = ["sh", "env", "seq", "sleep", "grep", "timeout"];
    assert_eq!(lines, [["root", "user", "1777"].as_slice(), &tools].concat());
}

#[test]
fn a_user_without_rights_can_write_its_home_and_tmp() {
    let lines = in_image(
        "gantry-test/busybox:1",
        "1000:1000",
        "touch /tmp/a /home/user/b && echo written; touch /bin/c 2>/dev/null || echo refused",
    );
    assert_eq!(lines, ["written", "refused"]);
}

#[test]
fn the_debian_image_has_bash_and_git() {
    let lines = in_image(
        "gantry-test/debian:1",
        "0:0",
        "bash -c 'echo ${BASH_VERSION:+bash}'; cd /tmp; git init --quiet .; git rev-parse --is-inside-work-tree",
    );
    assert_eq!(lines, ["bash", "true"]);
}
