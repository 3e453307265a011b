//! Runs pods as a kubelet does, with real containers, so that what the policy injects can be seen at work.
//!
//! [`cluster::Cluster`] admits a pod through the policy's module and has it run; [`pod::Pod`] is its life.
//! The containers are made by runc, from images of busybox and the programs that [`programs`] finds on PATH.
//! Other than on a real node, all pods share the network of this machine, and there is no seccomp profile.
//! What a pod asks for and this runner does not do is an error, not left out.

#![allow(
    missing_docs,
    reason = "fields and variants that say it all; only tests use this crate"
)]

pub mod api_server;
pub mod certificates;
pub mod cluster;
pub mod container;
pub mod expansion;
pub mod image;
pub mod link;
pub mod pod;
pub mod port;
pub mod programs;
pub mod quantity;
pub mod runtime;
pub mod service_account;
pub mod status;
pub mod vault;
pub mod volume;
