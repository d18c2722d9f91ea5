//! Git without the `git` program: bare mirrors by libgit2, the files of a commit without a checkout, a commit put into a workspace.
//!
//! **Invariants.** Everything here blocks: call it through [`crate::base::Tasks::spawn_blocking`]. Nothing that a repository holds is ever
//! executed, no file is written outside of the directory asked for, and no credential stands in an error, an `origin` or a log line.
//! No type of the library leaves this room.
//!
//! ```text
//! address ─► credentials, host_key ─► fetch ─► mirror ─► files      (what a commit's pipelines are)
//!                                                   ├──► changes, contents         (what a push changed, what `hash()` looks at)
//!                                                   └──► entries ─► checkout ─► dot_git
//!                                                                     └──► own      (for a work tree that leaves this machine)
//! work_tree ─► tracked ─► copy ─► dot_git                           (`gantry run`: the user's own checkout)
//! ```

mod address;
mod attempt;
mod bases;
mod changes;
mod checkout;
mod contents;
mod copy;
mod credentials;
mod depth;
mod directory;
mod dot_git;
mod entries;
mod error;
mod fetch;
mod files;
mod host_key;
mod lay;
mod layer;
mod library;
mod mirror;
mod moves;
mod own;
mod sample;
mod submodules;
mod tracked;
mod tree_index;
mod work_tree;

pub use address::{check_url, public_url};
pub use bases::{Bases, this_boot};
pub use checkout::{Checkout, Told};
pub use contents::{CommitFiles, TreeFiles};
pub use credentials::Credentials;
pub use directory::{emptied as make_empty, made as make_dir};
pub use error::Error;
pub use fetch::Snapshot;
pub use files::PipelineFile;
pub use lay::{Access, Times};
pub use layer::Layer;
pub use mirror::{Commit, Mirror};
pub use own::own_objects;
pub use sample::Sample;
pub use submodules::Submodules;
pub use work_tree::WorkTree;
