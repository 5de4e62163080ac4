//! `runbook`: a troubleshooting guide that runs. The order of the modules is the way the data flows.

/// What the user typed.
pub mod cli;
/// A runbook, typed, each thing with its place in the YAML.
pub mod book;
/// Expressions and templates.
pub mod expr;
/// Hosts and how to get there.
pub mod inventory;
/// Ways to a target: one script there, its answer back.
pub mod channel;
/// What every channel shares.
pub mod target;
/// What a host is.
pub mod facts;
/// What a step can look at and make so.
pub mod module;
/// Pure text editors.
pub mod edit;
/// Decides, touches nothing.
pub mod plan;
/// Acts: lock, journal, replace, handlers, verification.
pub mod apply;
/// Events in, bytes out.
pub mod report;
