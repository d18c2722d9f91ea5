//! Ids: lower-case ULIDs, so that they sort by the time they were made and fit container names, paths and URLs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{Clock, random_u64};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl $name {
            /// A new id; later ones sort after earlier ones (to the millisecond).
            #[must_use]
            pub fn new(clock: &Clock) -> Self {
                let ms = u64::try_from(clock.now().0).unwrap_or(0);
                let random = (u128::from(random_u64()) << 64) | u128::from(random_u64());
                Self(Ulid::from_parts(ms, random).to_string().to_ascii_lowercase())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            /// Takes only what [`Self::new`] could have made: ids become parts of paths and container names.
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let ok = text.len() == 26 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
                if ok { Ok(Self(text.to_owned())) } else { Err(NotAnId(text.chars().take(40).collect())) }
            }
        }
    };
}

/// A text that is not an id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an id: ids are 26 lower-case letters and digits")]
pub struct NotAnId(String);

id!(
    /// One execution of a plan.
    RunId
);
id!(
    /// A watched repository. Its name can be given anew after a removal, its id never is.
    RepoId
);
id!(
    /// One received webhook.
    DeliveryId
);
id!(
    /// One data directory: marks the containers that belong to it, so that two servers on one engine leave each other's alone.
    InstanceId
);
id!(
    /// One stored object of compressed content. Never given twice, so what is written under one is never anything else.
    BlobId
);
id!(
    /// One terminal that somebody had in a step.
    TerminalId
);
id!(
    /// One kept cache.
    CacheId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_refuse_path_tricks() {
        let id = RunId::new(&Clock::System);
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
        for bad in ["", "../../../../../../etc/passwd", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fa/"] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
            assert!(serde_json::from_value::<RunId>(bad.into()).is_err(), "{bad}");
        }
    }
}
