//! What is being pulled while a run is looked at: in no state, since it changes many times a second and is worth nothing afterwards.

use std::collections::BTreeMap;

use crate::run::Run;

use super::{RunView, view};

/// Shows a run of which `pulls` may be a part: images, each with how far its pull is. Whatever waits for one of them says so.
#[must_use]
pub fn view_pulling(run: &Run, pulls: &BTreeMap<String, String>) -> RunView {
    let mut shown = view(run);
    if pulls.is_empty() {
        return shown;
    }
    let sentence = |image: &str| match pulls.get(image)?.as_str() {
        "" => Some(format!("pulls {image}")),
        words => Some(format!("pulls {image}, {words}")),
    };
    for job in &mut shown.jobs {
        if job.state == "preparing"
            && let Some(pulling) = job.services.iter().find_map(|service| sentence(&service.image))
        {
            job.reason = pulling;
        }
        for step in job.steps.iter_mut().filter(|step| step.state == "starting") {
            if let Some(pulling) = step.image.as_deref().and_then(sentence) {
                step.reason = pulling;
            }
        }
    }
    shown
}
