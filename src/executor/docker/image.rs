//! Single questions about images: what a name stands for here, one try to pull it, making one from an archive.

use std::collections::BTreeSet;

use base64::Engine as _;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder, InspectContainerOptions};
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};

use super::engine::Engine;
use super::trouble::Trouble;
use crate::executor::{Failure, Users};

/// In which the engine takes credentials.
const AUTH: &str = "X-Registry-Auth";

/// Whether the engine has the image.
pub(super) async fn has(engine: &Engine, name: &str) -> Result<bool, Trouble> {
    Ok(inspect(engine, name).await?.is_some())
}

/// What the engine says of an image; `None` when it is not here.
pub(super) async fn inspect(engine: &Engine, name: &str) -> Result<Option<ImageInspect>, Trouble> {
    match engine.ask(|client| async move { client.inspect_image(name).await }).await {
        Ok(found) => Ok(Some(found)),
        Err(trouble) if trouble.is(404) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// As whom containers of these images run.
pub(super) async fn users(engine: &Engine, images: &BTreeSet<String>) -> Result<Users, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not be asked whose an image is");
    let mut users = Users::Owner;
    for found in join_all(images.iter().map(|name| user(engine, name))).await {
        match found.map_err(cannot)? {
            None => return Ok(Users::Unknown),
            Some(user) if !is_root(&user) => users = Users::Others,
            Some(_) => {}
        }
    }
    Ok(users)
}

/// The user that an image names for its containers, if the engine has the image: nothing is root.
async fn user(engine: &Engine, name: &str) -> Result<Option<String>, Trouble> {
    let found = inspect(engine, name).await?;
    Ok(found.map(|found| found.config.and_then(|config| config.user).unwrap_or_default()))
}

/// Whether that is root: by number or by the name that it has everywhere, whatever the group is.
fn is_root(user: &str) -> bool {
    matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root")
}

/// What a name stands for: `name@sha256:…` where a registry said it, else the engine's own id `sha256:…`; `None` when the image is not here.
pub(super) async fn resolve(engine: &Engine, name: &str) -> Result<Option<String>, Trouble> {
    let Some(found) = inspect(engine, name).await? else { return Ok(None) };
    // The same image may have come from several registries.
    let (repository, _) = split_reference(name);
    let digests = found.repo_digests.unwrap_or_default();
    let of_name = digests.iter().find(|digest| digest.split_once('@').is_some_and(|(from, _)| from == repository));
    Ok(Some(of_name.cloned().or(found.id).unwrap_or_default()))
}

/// The name by which a container's image was asked for.
pub(super) async fn of_container(engine: &Engine, container: &str) -> Result<String, Trouble> {
    let question =
        |client: bollard::Docker| async move { client.inspect_container(container, None::<InspectContainerOptions>).await };
    Ok(engine.ask(question).await?.config.and_then(|config| config.image).unwrap_or_default())
}

/// Pulls an image once and hands on what the engine says of it. Dropping the future ends the pull. An engine that goes away in the middle ends the stream
/// too: whether the image is there is to be asked afterwards.
pub(super) async fn pull(
    engine: &Engine,
    name: &str,
    credentials: Option<DockerCredentials>,
    mut hear: impl FnMut(&CreateImageInfo),
) -> Result<(), Trouble> {
    let (repository, tag) = split_reference(name);
    let options = CreateImageOptionsBuilder::new().from_image(repository).tag(tag).build();
    let client = engine.link().await?.client.with_request_modifier(|mut request| {
        // The client writes base64 with `+` and `/`; the engine reads the alphabet of URLs and takes anything else for no credentials at all.
        if let Some(auth) = request.headers_mut().get_mut(AUTH)
            && let Some(plain) = auth.to_str().ok().and_then(in_alphabet_of_urls)
            && let Ok(value) = plain.parse()
        {
            *auth = value;
            auth.set_sensitive(true);
        }
        request
    });
    let mut answers = client.create_image(Some(options), None, credentials);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(info) => hear(&info),
            Err(error) => return Err(engine.judge(&error).await),
        }
    }
    Ok(())
}

fn in_alphabet_of_urls(base64: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
    Some(base64::engine::general_purpose::URL_SAFE.encode(bytes))
}

/// Makes an image from the archive (tar) of a root file system.
pub(super) async fn import(engine: &Engine, name: &str, tar: Vec<u8>) -> Result<(), Trouble> {
    let (repository, tag) = split_reference(name);
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag(tag).build();
    let question = |client: bollard::Docker| async move {
        drain(client.create_image(Some::<CreateImageOptions>(options), Some(bollard::body_full(tar.into())), None)).await
    };
    engine.ask(question).await
}

async fn drain(mut answers: impl Stream<Item = Result<CreateImageInfo, Error>> + Unpin) -> Result<(), Error> {
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// Repository and tag (or digest) of a reference. Without a tag it is `latest`: the engine would pull every tag there is.
fn split_reference(name: &str) -> (&str, &str) {
    if let Some((repository, digest)) = name.split_once('@') {
        return (without_tag(repository), digest);
    }
    match name.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}

/// Beside a digest a tag says nothing more.
fn without_tag(repository: &str) -> &str {
    match repository.rsplit_once(':') {
        Some((plain, tag)) if !tag.contains('/') => plain,
        _ => repository,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_its_name_and_number() {
        for user in ["", "0", "root", "0:0", "root:staff", ":100"] {
            assert!(is_root(user), "{user}");
        }
        for user in ["1000", "node", "1000:0", "rooty", "00x"] {
            assert!(!is_root(user), "{user}");
        }
    }

    #[test]
    fn references_are_split_and_a_missing_tag_is_latest() {
        for (name, parts) in [
            ("rust", ("rust", "latest")),
            ("rust:1.95", ("rust", "1.95")),
            ("127.0.0.1:5000/a/b", ("127.0.0.1:5000/a/b", "latest")),
            ("127.0.0.1:5000/a/b:2", ("127.0.0.1:5000/a/b", "2")),
            ("a/b@sha256:00ff", ("a/b", "sha256:00ff")),
            ("r:5000/a:1@sha256:00ff", ("r:5000/a", "sha256:00ff")),
        ] {
            assert_eq!(split_reference(name), parts);
        }
    }

    #[test]
    fn credentials_are_written_as_the_engine_reads_them() {
        let json = r#"{"password":">>>???~~~"}"#;
        let standard = base64::engine::general_purpose::STANDARD.encode(json);
        assert!(standard.contains(['+', '/']), "{standard}");
        let safe = in_alphabet_of_urls(&standard).unwrap();
        assert!(!safe.contains(['+', '/']), "{safe}");
        assert_eq!(base64::engine::general_purpose::URL_SAFE.decode(safe).unwrap(), json.as_bytes());
    }
}
