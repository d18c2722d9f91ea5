//! How far a pull has come: the engine tells of every layer many times a second, people want a few words now and then.

use std::collections::BTreeMap;

use bollard::models::CreateImageInfo;

/// The layers of one pull.
#[derive(Default)]
pub(super) struct Progress {
    layers: BTreeMap<String, Layer>,
}

#[derive(Default)]
struct Layer {
    total: u64,
    pulled: u64,
    unpacked: u64,
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
        let amount = |of: Option<i64>| of.and_then(|bytes| u64::try_from(bytes).ok());
        let detail = info.progress_detail.as_ref();
        let (current, total) = (detail.and_then(|it| amount(it.current)), detail.and_then(|it| amount(it.total)));
        match status {
            "Downloading" => {
                layer.total = total.unwrap_or(layer.total).max(layer.total);
                layer.pulled = current.unwrap_or(layer.pulled);
            }
            "Extracting" => layer.unpacked = current.unwrap_or(layer.unpacked),
            _ => {}
        }
        if matches!(status, "Download complete" | "Extracting" | "Pull complete") {
            layer.pulled = layer.total;
        }
        if done {
            layer.unpacked = layer.total;
        }
    }

    fn sum(&self, of: fn(&Layer) -> u64) -> u64 {
        self.layers.values().map(of).fold(0, u64::saturating_add)
    }

    /// How much of the work is done, as far as it is known: pulling is one half of it, unpacking the other. Layers become known one after the other, so
    /// it may fall.
    pub(super) fn percent(&self) -> u64 {
        let all = self.sum(|layer| layer.total).saturating_mul(2);
        let done =
            self.sum(|layer| layer.pulled.min(layer.total)).saturating_add(self.sum(|layer| layer.unpacked.min(layer.total)));
        done.saturating_mul(100).checked_div(all).unwrap_or(0)
    }

    /// `31 of 120 MB`, then `unpacks 2 of 5 layers`; nothing while nothing is known.
    pub(super) fn words(&self) -> String {
        let (pulled, total) = (self.sum(|layer| layer.pulled), self.sum(|layer| layer.total));
        let done = self.layers.values().filter(|layer| layer.done).count();
        match (total, self.layers.len()) {
            (_, 0) => String::new(),
            (0, layers) => format!("{done} of {layers} layers"),
            (total, layers) if pulled >= total => format!("unpacks {done} of {layers} layers"),
            (total, _) if total < 10_000_000 => format!("{} of {} kB", pulled / 1_000, total / 1_000),
            (total, _) => format!("{} of {} MB", pulled / 1_000_000, total / 1_000_000),
        }
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
        let mut told = Vec::new();
        for (id, status, detail) in [
            ("latest", "Pulling from library/rust", None),
            ("a", "Pulling fs layer", None),
            ("b", "Pulling fs layer", None),
            ("c", "Pulling fs layer", None),
            ("a", "Downloading", Some((10_000_000, 40_000_000))),
            ("b", "Downloading", Some((2_000_000, 20_000_000))),
            ("b", "Download complete", None),
            ("c", "Already exists", None),
            ("a", "Download complete", None),
            ("a", "Extracting", Some((20_000_000, 40_000_000))),
            ("a", "Pull complete", None),
            ("b", "Pull complete", None),
        ] {
            progress.take(&info(id, status, detail));
            told.push(format!("{} {}%", progress.words(), progress.percent()));
        }
        let expected = [
            " 0%",
            "0 of 1 layers 0%",
            "0 of 2 layers 0%",
            "0 of 3 layers 0%",
            "10 of 40 MB 12%",
            "12 of 60 MB 10%",
            "30 of 60 MB 25%",
            "30 of 60 MB 25%",
            "unpacks 1 of 3 layers 50%",
            "unpacks 1 of 3 layers 66%",
            "unpacks 2 of 3 layers 83%",
            "unpacks 3 of 3 layers 100%",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn small_images_are_told_in_kilobytes_and_nonsense_is_no_number() {
        let mut progress = Progress::default();
        progress.take(&info("a", "Downloading", Some((12_000, 900_000))));
        assert_eq!(progress.words(), "12 of 900 kB");
        progress.take(&info("b", "Downloading", Some((-5, i64::MAX))));
        progress.take(&info("c", "Downloading", Some((i64::MAX, -1))));
        assert!(progress.percent() <= 100);
    }
}
