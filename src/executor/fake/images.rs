//! Images of the fake engine: what was asked for, and what a test says is being pulled.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::Fake;
use crate::base::JobKey;
use crate::executor::Pulls;
use crate::pipeline::Pull;

/// An image that was to be pulled ahead.
pub(super) type Asked = (JobKey, String, Option<Pull>);

pub(super) struct Images {
    asked: Mutex<Vec<Asked>>,
    going: watch::Sender<Pulls>,
}

impl Default for Images {
    fn default() -> Self {
        Self { asked: Mutex::default(), going: watch::Sender::new(Pulls::new()) }
    }
}

impl Images {
    pub(super) fn pull(&self, job: &JobKey, image: &str, pull: Option<Pull>) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((job.clone(), image.to_owned(), pull));
    }

    pub(super) fn going(&self) -> watch::Receiver<Pulls> {
        self.going.subscribe()
    }
}

impl Fake {
    /// Every image that was to be pulled ahead of who wants it, by job and name.
    #[must_use]
    pub fn pulls_ahead(&self) -> Vec<(JobKey, String, Option<Pull>)> {
        let mut asked = self.images.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        asked.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        asked
    }

    /// Lets an image be pulled, or be done (`None`), for all who look.
    pub fn set_pulling(&self, image: &str, words: Option<&str>) {
        self.images.going.send_modify(|going| match words {
            Some(words) => drop(going.insert(image.to_owned(), words.to_owned())),
            None => drop(going.remove(image)),
        });
    }
}
