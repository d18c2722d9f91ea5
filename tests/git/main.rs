//! The git room against the real Git as its peer.

mod changes;
mod checkout;
mod fetch;
mod http;
mod peer;
mod pipeline_files;
mod work_tree;
