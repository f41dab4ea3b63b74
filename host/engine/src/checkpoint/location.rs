//! Opens the object store behind a location: a folder of this machine, or a bucket.
//! **A folder is opened with fsync**: without it, a durable commit could point at a file that a
//! power loss took.

use std::path::Path as FolderPath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};

use super::error::CheckpointError;
use crate::spec::{Storage, storage};

/// The engine tries again by itself, and wants to be stopped in between.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const RETRIES_MAX: usize = 5;

/// A store, the path in it that a location stands for, and the location as a person knows it.
pub struct Opened {
    /// The folder or bucket.
    pub store: Arc<dyn ObjectStore>,
    /// Where in it.
    pub prefix: Path,
    /// For messages.
    pub location: String,
}

/// Opens a `file://` or `s3://` URL. A folder is made if it is missing; a bucket is not asked yet.
/// # Errors
/// [`CheckpointError::Location`] or [`CheckpointError::Folder`].
pub fn open_location(location: &str) -> Result<Opened, CheckpointError> {
    match storage(location) {
        Ok(Storage::Folder(path)) => open_folder(&path),
        Ok(Storage::Bucket { bucket, prefix }) => open_bucket(location, &bucket, &prefix),
        Err(wrong) => Err(CheckpointError::Location {
            location: location.to_owned(),
            reason: wrong.message,
            hint: wrong.hint,
        }),
    }
}

/// Opens a folder, and makes it if it is missing.
pub(super) fn open_folder(path: &FolderPath) -> Result<Opened, CheckpointError> {
    let failed = |source| CheckpointError::Folder { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(failed)?;
    let store = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| unusable(&path.display().to_string(), &error))?
        .with_fsync(true);
    Ok(Opened {
        store: Arc::new(store),
        prefix: Path::default(),
        location: path.display().to_string(),
    })
}

fn open_bucket(location: &str, bucket: &str, prefix: &str) -> Result<Opened, CheckpointError> {
    let retry = RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    if is_loopback(std::env::var("AWS_ENDPOINT_URL").ok().as_deref()) {
        builder = builder.with_allow_http(true);
    }
    let store = builder.build().map_err(|error| unusable(location, &error))?;
    let prefix = Path::parse(prefix).map_err(|error| unusable(location, &error.into()))?;
    Ok(Opened { store: Arc::new(store), prefix, location: location.to_owned() })
}

/// Plain HTTP carries keys for everyone to read: only within this machine, or if `AWS_ALLOW_HTTP` says so.
fn is_loopback(endpoint: Option<&str>) -> bool {
    let host = endpoint.and_then(|endpoint| url::Url::parse(endpoint).ok());
    match host.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn unusable(location: &str, error: &object_store::Error) -> CheckpointError {
    CheckpointError::Location {
        location: location.to_owned(),
        reason: error.to_string(),
        hint: Some("region, keys and endpoint of S3 come from the variables AWS_*".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_plain_http_within_the_machine_only() {
        for (endpoint, expected) in [
            (Some("http://127.0.0.1:9000"), true),
            (Some("http://localhost:9000"), true),
            (Some("http://[::1]:9000"), true),
            (Some("http://10.0.0.1:9000"), false),
            (Some("http://127.0.0.1.example.com"), false),
            (Some("localhost"), false),
            (None, false),
        ] {
            assert_eq!(is_loopback(endpoint), expected, "{endpoint:?}");
        }
    }
}
