//! The built binary: on this machine's sh, and against real hosts. What needs the lab is skipped unless `RUNBOOK_LAB`
//! is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod authoring;
mod bench;
mod channel_ssm;
mod clouds;
mod clouds_aws;
mod console;
mod console_faults;
mod console_kinds;
mod console_lab;
mod console_line;
mod console_people;
mod docs;
mod editors;
mod engine;
mod fall_back;
mod faults;
mod find;
mod firewall;
mod fleet;
mod hand;
mod hidden_errors;
mod hosts_access;
mod inventory;
mod lab_attributes;
mod lab_become;
mod lab_channels;
mod lab_families;
mod lab_faults;
mod lab_front;
mod lab_guard;
mod lab_hostile;
mod lab_inits;
mod lab_kill_controller;
mod lab_kill_target;
mod lab_lock;
mod lab_lockout;
mod lab_matrix;
mod lab_modules;
mod lab_pairs;
mod lab_patient;
mod lab_plan;
mod lab_prevent;
mod lab_reboot;
mod lab_refusals;
mod lab_said;
mod lab_secrets;
mod lab_shells;
mod lab_static;
mod lab_undo;
mod lab_vm;
mod lang;
mod lang_hostile;
mod links;
mod offline;
mod pages;
mod peers_files;
mod probe;
mod runs;
mod secrets;
mod source;
mod sshd_trees;
mod support;
mod tested;
mod undo;
mod undo_property;
mod untrusted;
mod words;
