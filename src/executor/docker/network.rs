//! The network of the sandboxes. **Invariant:** no two sandboxes can reach each other, on any machine.
//!
//! One network for all of them, whose containers may not talk to each other (`enable_icc=false`), costs nothing per job, where a network of each
//! job's own costs 85 ms to make and 200 to remove and the engine has addresses for about 30. But such a network keeps its word by the machine's
//! packet filter, and a bridge asks the filter only as long as `net.bridge.bridge-nf-call-iptables` is 1, which other software is known to turn
//! off. So it is used only where we can see that this is so; everywhere else each job gets a network of its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::engine::Engine;
use super::names::{self, Labels};
use super::trouble::Trouble;
use crate::base::random_hex;

/// How its name begins. It is found by its label; of a name that another network has too the engine would not know which is meant.
const SHARED_NAME: &str = "gantry-jobs-";
const NO_TALK: &str = "com.docker.network.bridge.enable_icc";

/// The id of the shared network, once it is known.
#[derive(Default)]
pub(super) struct SharedNetwork {
    id: Mutex<Option<String>>,
    making: tokio::sync::Mutex<()>,
}

impl SharedNetwork {
    /// The shared network's id, if it can be trusted on this machine; it is made when there is none.
    pub(super) async fn trusted(&self, engine: &Engine) -> Result<Option<String>, Trouble> {
        if !engine.is_local() {
            return Ok(None);
        }
        let _one_at_a_time = self.making.lock().await;
        let id = match self.known() {
            Some(id) => id,
            None => match find_or_make(engine).await {
                Ok(id) => id,
                // The engine cannot make it, for want of the bridge's filter for one.
                Err(Trouble::Refused { .. }) => return Ok(None),
                Err(unreachable) => return Err(unreachable),
            },
        };
        self.set(Some(id.clone()));
        Ok(is_filtered(&id).then_some(id))
    }

    /// The engine does not know it any more.
    pub(super) fn forget(&self) {
        self.set(None);
    }

    fn known(&self) -> Option<String> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, id: Option<String>) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

const FILTER: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Whether packets between the ports of this network's bridge go through the filter. That the bridge is seen from here says that we and the engine
/// live in the same network namespace, so that the switch we read is the one that counts.
fn is_filtered(id: &str) -> bool {
    let bridge = format!("/sys/class/net/br-{}", &id[..id.len().min(12)]);
    Path::new(&bridge).exists() && filter_is_asked()
}

/// Whether bridges of this machine ask the packet filter.
pub(super) fn filter_is_asked() -> bool {
    std::fs::read_to_string(FILTER).is_ok_and(|value| value.trim() == "1")
}

/// Two servers may make it at the same moment, and the engine lets two networks have one name: all take the same of them, and remove their own if
/// it is another.
async fn find_or_make(engine: &Engine) -> Result<String, Trouble> {
    if let Some(id) = find(engine).await? {
        return Ok(id);
    }
    let made = make(
        engine,
        &format!("{SHARED_NAME}{}", random_hex(4)),
        [(names::NETWORK.to_owned(), "1".to_owned())].into(),
        Some([(NO_TALK.to_owned(), "false".to_owned())].into()),
    )
    .await?;
    let chosen = find(engine).await?.unwrap_or_else(|| made.clone());
    if chosen != made {
        remove(engine, &made).await?;
    }
    Ok(chosen)
}

async fn find(engine: &Engine) -> Result<Option<String>, Trouble> {
    let found = list(engine, &[(names::NETWORK, Some("1"))]).await?;
    let silent = |network: &Network| {
        network.options.as_ref().and_then(|options| options.get(NO_TALK)).is_some_and(|value| value == "false")
    };
    Ok(found.into_iter().filter(silent).filter_map(|network| network.id).min())
}

/// Makes a bridge network; gives its id.
pub(super) async fn make(
    engine: &Engine,
    name: &str,
    labels: Labels,
    options: Option<HashMap<String, String>>,
) -> Result<String, Trouble> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        options,
        ..NetworkCreateRequest::default()
    };
    let made = engine.ask(|client| async move { client.create_network(request).await }).await?;
    Ok(made.id)
}

/// Networks that bear these labels.
pub(super) async fn list(engine: &Engine, labels: &[(&str, Option<&str>)]) -> Result<Vec<Network>, Trouble> {
    let options = ListNetworksOptionsBuilder::new().filters(&names::label_filter(labels)).build();
    engine.ask(|client| async move { client.list_networks(Some(options)).await }).await
}

/// Removes a network; none of that id is fine.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<(), Trouble> {
    match engine.ask(|client| async move { client.remove_network(id).await }).await {
        Err(trouble) if !trouble.is(404) => Err(trouble),
        _ => Ok(()),
    }
}
