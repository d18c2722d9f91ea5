//! Who Gantry is to private registries. **Invariant:** a password is bound to the host and port of one registry, as the image's name says it, and is
//! handed to the engine for pulls from there alone. It comes from the server's settings, never from a pipeline.

use std::collections::BTreeMap;
use std::fmt;

use bollard::auth::DockerCredentials;

use crate::base::Secret;

/// The registry of names that say none.
const HUB: &str = "docker.io";
/// By which the engine knows it.
const HUB_ADDRESS: &str = "https://index.docker.io/v1/";

/// Users and passwords by registry.
#[derive(Clone, Default)]
pub struct Registries(BTreeMap<String, Login>);

#[derive(Clone)]
struct Login {
    user: String,
    password: Secret,
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Registries {
    /// Adds a user of the registry at `host`: `registry.example`, `registry.example:5000`, `docker.io`.
    ///
    /// # Errors
    /// The sentence of a host that no image's name can begin with, or that is there already.
    pub fn with(mut self, host: &str, user: &str, password: &str) -> Result<Self, String> {
        let sound = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(sound) || host_of(&format!("{host}/x")) == HUB && canonical(host) != HUB {
            return Err(format!(
                "`{host}` is no registry: write its host and port as they stand in an image's name, such as `registry.example:5000`"
            ));
        }
        let login = Login { user: user.to_owned(), password: Secret::new(password.to_owned()) };
        match self.0.insert(canonical(host), login) {
            None => Ok(self),
            Some(_) => Err(format!("the registry `{host}` stands there twice")),
        }
    }

    /// What the engine is given to pull this image.
    pub(super) fn for_image(&self, image: &str) -> Option<DockerCredentials> {
        let host = host_of(image);
        let Login { user, password } = self.0.get(&host)?;
        Some(DockerCredentials {
            username: Some(user.clone()),
            password: Some(password.reveal().to_owned()),
            serveraddress: Some(if host == HUB { HUB_ADDRESS.to_owned() } else { host }),
            ..DockerCredentials::default()
        })
    }

    /// The text without the password of this image's registry, should the engine ever say it.
    pub(super) fn without_password(&self, image: &str, text: &str) -> String {
        match self.0.get(&host_of(image)).map(|login| login.password.reveal()) {
            Some(password) if !password.is_empty() => text.replace(password, "***"),
            Some(_) | None => text.to_owned(),
        }
    }
}

/// The registry in an image's name: what stands before the first slash, if it looks like a host (the engine's own rule).
fn host_of(image: &str) -> String {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => canonical(host),
        Some(_) | None => HUB.to_owned(),
    }
}

fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if matches!(host.as_str(), "index.docker.io" | "registry-1.docker.io") { HUB.to_owned() } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_for_its_host_and_port_alone() {
        let registries = Registries::default().with("Registry.Example:5000", "ci", "hunter2").unwrap();
        let registries = registries.with("docker.io", "hub", "hubword").unwrap();
        let user = |image: &str| registries.for_image(image).and_then(|login| login.username);
        assert_eq!(user("registry.example:5000/a/b:1").as_deref(), Some("ci"));
        assert_eq!(user("registry.example:5000/a@sha256:00").as_deref(), Some("ci"));
        for hub in ["rust", "rust:1", "library/rust", "docker.io/library/rust", "index.docker.io/a/b"] {
            assert_eq!(user(hub).as_deref(), Some("hub"), "{hub}");
        }
        for other in [
            "registry.example/a",
            "registry.example:5001/a",
            "registry.example.evil:5000/a",
            "evil/registry.example:5000/a",
            "localhost/registry.example:5000",
        ] {
            assert_ne!(user(other).as_deref(), Some("ci"), "{other}");
        }
        assert_eq!(registries.for_image("rust").unwrap().serveraddress.as_deref(), Some(HUB_ADDRESS));
        let shown = format!("{registries:?}");
        assert!(shown.contains("registry.example:5000") && !shown.contains("hunter2") && !shown.contains("ci"), "{shown}");
        assert_eq!(registries.without_password("registry.example:5000/a", "no: hunter2"), "no: ***");
    }

    #[test]
    fn what_is_no_registry_is_refused() {
        for bad in ["", "https://registry.example", "registry.example/path", "user@registry.example", "registry", "a b.c"] {
            assert!(Registries::default().with(bad, "u", "p").is_err(), "{bad}");
        }
        let twice = Registries::default().with("r.example", "u", "p").and_then(|it| it.with("R.example", "v", "q"));
        assert_eq!(twice.unwrap_err(), "the registry `R.example` stands there twice");
    }
}
