//! Where objects are: a directory, memory, or a bucket of what speaks S3.
//!
//! **Invariants:** in a bucket everything is below the instance's own id, so that two servers on one bucket never see each other's; a secret is in
//! no message and in no debug form.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::super::{Error, Store};

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum BlobsAt {
    /// Files below this directory, which belongs to blobs alone.
    Directory(PathBuf),
    /// Gone with the process.
    Memory,
    S3(S3),
}

/// A bucket. What is `None` comes from the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, …) or the machine's own role.
#[derive(Clone, Default)]
pub struct S3 {
    pub bucket: String,
    /// Inside the bucket; may be empty.
    pub prefix: String,
    /// `http://…` or `https://…` of a server that is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl S3 {
    /// Reads `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// It is not such an address: the sentence says what one looks like.
    pub fn parse(url: &str) -> Result<Self, String> {
        let form = || format!("`{url}` is no place for blobs: write `s3://BUCKET` or `s3://BUCKET/PREFIX`");
        let rest = url.strip_prefix("s3://").ok_or_else(form)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let prefix = prefix.trim_end_matches('/');
        let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
        let fits = is_part(bucket) && (prefix.is_empty() || prefix.split('/').all(is_part));
        fits.then(|| Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), ..Self::default() }).ok_or_else(form)
    }
}

/// An opened place.
pub(super) struct Opened {
    pub objects: Arc<dyn ObjectStore>,
    pub prefix: String,
    pub place: String,
    /// Where objects are files.
    pub directory: Option<PathBuf>,
}

pub(super) async fn open(at: &BlobsAt, store: &Store) -> Result<Opened, Error> {
    Ok(match at {
        BlobsAt::Directory(dir) => Opened {
            objects: directory(dir)?,
            prefix: String::new(),
            place: dir.display().to_string(),
            directory: Some(dir.clone()),
        },
        BlobsAt::Memory => {
            Opened { objects: Arc::new(InMemory::new()), prefix: String::new(), place: "memory".to_owned(), directory: None }
        }
        BlobsAt::S3(s3) => {
            let instance = store.instance().await?;
            let place = format!("s3://{}/{}", s3.bucket, s3.prefix);
            let prefix = format!("{}/{instance}", s3.prefix);
            Opened { objects: bucket(s3, &place)?, prefix, place, directory: None }
        }
    })
}

/// Everything that is written there survives a power cut, as rows do.
fn directory(dir: &Path) -> Result<Arc<dyn ObjectStore>, Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("make the directory of blobs", dir))?;
    let files = LocalFileSystem::new_with_prefix(dir).map_err(|source| Error::Objects {
        what: "blobs cannot be kept".to_owned(),
        place: dir.display().to_string(),
        source: Box::new(source),
    })?;
    Ok(Arc::new(files.with_fsync(true)))
}

fn bucket(s3: &S3, place: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let S3 { bucket, prefix: _, endpoint, region, access_key, secret_key } = s3;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(access_key) = access_key {
        builder = builder.with_access_key_id(access_key);
    }
    if let Some(secret_key) = secret_key {
        builder = builder.with_secret_access_key(secret_key);
    }
    let built = builder.build().map_err(|source| Error::Objects {
        what: "blobs cannot be kept".to_owned(),
        place: place.to_owned(),
        source: Box::new(source),
    })?;
    Ok(Arc::new(built))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_perhaps_a_prefix() {
        for (url, bucket, prefix) in
            [("s3://b", "b", ""), ("s3://b/", "b", ""), ("s3://my-b.x/ci/gantry/", "my-b.x", "ci/gantry")]
        {
            let s3 = S3::parse(url).unwrap();
            assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), (bucket, prefix), "{url}");
        }
        for bad in ["", "b", "s3://", "s3:///x", "https://b/x", "s3://b//x", "s3://b/../x", "s3://b/a b", "s3://u:p@b"] {
            assert!(S3::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_in_no_debug_form() {
        let s3 =
            S3 { secret_key: Some("hunter2".to_owned()), access_key: Some("AKIA".to_owned()), ..S3::parse("s3://b").unwrap() };
        assert!(!format!("{:?}", BlobsAt::S3(s3)).contains("hunter2"));
    }
}
