//! How far a pull has come, in one sentence: the engine tells of every layer many times a second, a log wants a line now and then.

use std::collections::BTreeMap;

use bollard::models::CreateImageInfo;

/// The layers of one pull.
#[derive(Default)]
pub(super) struct Progress {
    layers: BTreeMap<String, Layer>,
}

#[derive(Default)]
struct Layer {
    current: u64,
    total: u64,
    done: bool,
}

impl Progress {
    /// Takes in one of the engine's answers.
    pub(super) fn take(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, info.status.as_deref()) else {
            return;
        };
        // These are the engine's fixed words of progress; any other answer about an id (the tag, a digest) is no layer.
        let done = matches!(status, "Pull complete" | "Already exists");
        let moving = matches!(
            status,
            "Downloading" | "Waiting" | "Pulling fs layer" | "Verifying Checksum" | "Download complete" | "Extracting"
        );
        if !done && !moving {
            return;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        layer.done = done;
        if let ("Downloading", Some(detail)) = (status, &info.progress_detail) {
            layer.current = detail.current.and_then(|bytes| bytes.try_into().ok()).unwrap_or(layer.current);
            layer.total = detail.total.and_then(|bytes| bytes.try_into().ok()).unwrap_or(layer.total);
        }
        if matches!(status, "Download complete" | "Extracting" | "Pull complete") {
            layer.current = layer.total;
        }
    }

    /// `pulling NAME: 2 of 5 layers, 31 of 120 MB`.
    pub(super) fn sentence(&self, name: &str) -> String {
        let done = self.layers.values().filter(|layer| layer.done).count();
        let megabytes = |of: fn(&Layer) -> u64| self.layers.values().map(of).sum::<u64>() / 1_000_000;
        format!(
            "pulling {name}: {done} of {} layers, {} of {} MB",
            self.layers.len(),
            megabytes(|layer| layer.current),
            megabytes(|layer| layer.total)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn info(id: &str, status: &str, detail: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: detail.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn layers_are_counted_and_their_bytes_added() {
        let mut progress = Progress::default();
        progress.take(&info("latest", "Pulling from library/rust", None));
        for id in ["a", "b", "c"] {
            progress.take(&info(id, "Pulling fs layer", None));
        }
        progress.take(&info("a", "Downloading", Some((10_000_000, 40_000_000))));
        progress.take(&info("b", "Downloading", Some((2_000_000, 20_000_000))));
        progress.take(&info("b", "Pull complete", None));
        progress.take(&info("c", "Already exists", None));
        assert_eq!(progress.sentence("rust"), "pulling rust: 2 of 3 layers, 30 of 60 MB");
    }
}
