//! Images that need no registry: made here, of archives and of this machine's busybox. For demonstrations and tests.
//! **Invariant:** what is there already is taken as it is.

use std::io;

use super::trouble::Trouble;
use super::{Docker, image, rootfs};
use crate::executor::Failure;

/// The image that [`Docker::demo_image`] makes.
const DEMO_IMAGE: &str = "gantry-demo:1";

impl Docker {
    /// Whether the engine has this image.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub async fn has_image(&self, name: &str) -> Result<bool, Failure> {
        image::has(&self.inner.engine, name).await.map_err(|trouble| trouble.into_failure("could not be asked for the image"))
    }

    /// Makes an image out of the archive (tar) of a root file system.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub async fn import_image(&self, name: &str, tar: Vec<u8>) -> Result<(), Failure> {
        let cannot = |trouble: Trouble| trouble.into_failure("could not make the image");
        image::import(&self.inner.engine, name, tar).await.map_err(cannot)
    }

    /// The name of an image with a shell that needs no registry: made of this machine's static busybox. `None` if there is none.
    ///
    /// # Errors
    /// The engine does not answer or refuses; busybox cannot be read.
    pub async fn demo_image(&self) -> Result<Option<String>, Failure> {
        if self.has_image(DEMO_IMAGE).await? {
            return Ok(Some(DEMO_IMAGE.to_owned()));
        }
        let packed =
            self.inner.tasks.spawn_blocking(rootfs::from_busybox).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let Some(tar) =
            packed.map_err(|error| Failure::Infrastructure(format!("/bin/busybox cannot be packed into an image: {error}")))?
        else {
            return Ok(None);
        };
        self.import_image(DEMO_IMAGE, tar).await?;
        Ok(Some(DEMO_IMAGE.to_owned()))
    }
}
