//! `runbook`: a troubleshooting guide that runs. The order of the modules is the way the data flows.

/// Acts: lock, journal, replace, handlers, verification.
pub mod apply;
/// A runbook, typed, each thing with its place in the YAML.
pub mod book;
/// Ways to a target: one script there, its answer back.
pub mod channel;
/// What the user typed.
pub mod cli;
/// Pure text editors.
pub mod edit;
/// Expressions and templates.
pub mod expr;
/// What a host is.
pub mod facts;
/// Hosts that are files, for `runbook test`.
pub mod fixture;
/// Hosts and how to get there.
pub mod inventory;
/// The command line of this run, for the next one.
pub mod invocation;
/// What a step can look at and make so.
pub mod module;
/// How text and bytes are put into a script.
pub mod payload;
/// Decides, touches nothing.
pub mod plan;
/// Events in, bytes out.
pub mod report;
/// Where runbooks come from: files, the binary, git.
pub mod source;
/// What every channel shares.
pub mod target;
