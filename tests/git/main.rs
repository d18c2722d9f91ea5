//! The git room against the real Git as its peer.

mod bases;
mod changes;
mod checkout;
mod fetch;
mod http;
mod own;
mod peer;
mod pipeline_files;
mod submodules;
mod union;
mod work_tree;
