//! Images: whether one is here, pulling one, and making one from an archive.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};

use super::engine::Engine;
use super::output::Output;
use super::pull::Progress;
use super::trouble::Trouble;
use crate::executor::{Failure, Users};

/// Between two lines about a pull that goes on.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Whether the engine has the image.
pub(super) async fn has(engine: &Engine, name: &str) -> Result<bool, Trouble> {
    match engine.ask(|client| async move { client.inspect_image(name).await }).await {
        Ok(_) => Ok(true),
        Err(trouble) if trouble.is(404) => Ok(false),
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
    match engine.ask(|client| async move { client.inspect_image(name).await }).await {
        Ok(found) => Ok(Some(found.config.and_then(|config| config.user).unwrap_or_default())),
        Err(trouble) if trouble.is(404) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Whether that is root: by number or by the name that it has everywhere, whatever the group is.
fn is_root(user: &str) -> bool {
    matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root")
}

/// Pulls an image, with sparse lines about it in the step's log. Dropping the future ends the pull.
pub(super) async fn pull(engine: &Engine, name: &str, output: &mut Output) -> Result<(), Failure> {
    let cannot = |trouble| match trouble {
        Trouble::Refused { message, .. } => {
            Failure::Infrastructure(format!("the image `{name}` cannot be pulled: {}", message.trim()))
        }
        Trouble::Unreachable(sentence) => Failure::Unreachable(sentence),
    };
    let (repository, tag) = split_reference(name);
    let options = CreateImageOptionsBuilder::new().from_image(repository).tag(tag).build();
    output.say(&format!("pulling {name}"));
    let link = engine.link().await.map_err(cannot)?;
    let mut answers = link.client.create_image(Some(options), None, None);
    let mut progress = Progress::default();
    let mut tell = tokio::time::interval(TELL_EVERY);
    tell.reset();
    loop {
        tokio::select! {
            answer = answers.next() => match answer {
                Some(Ok(info)) => progress.take(&info),
                Some(Err(error)) => return Err(cannot(engine.judge(&error).await)),
                None => break,
            },
            _ = tell.tick() => output.say(&progress.sentence(name)),
        }
    }
    // An engine that went away in the middle also ends the stream: only an image that is there was pulled.
    match has(engine, name).await.map_err(cannot)? {
        true => {
            output.say(&format!("pulled {name}"));
            Ok(())
        }
        false => {
            Err(Failure::Infrastructure(format!("the image `{name}` cannot be pulled: the engine stopped without saying why")))
        }
    }
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
        return (repository, digest);
    }
    match name.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
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
        ] {
            assert_eq!(split_reference(name), parts);
        }
    }
}
