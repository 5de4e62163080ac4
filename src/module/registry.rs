//! The list of modules: one line each.

use std::path::Path;
use std::sync::Arc;

use super::{Custom, Module};

/// Every built-in module, in the order of the docs.
pub static BUILTIN: &[&dyn Module] = &[
    &super::command::Command,
    &super::file::File,
    &super::edit::Edit,
    &super::ini::Ini,
    &super::service::Service,
    &super::unit_start::UnitStart,
    &super::sandbox::Sandbox,
    &super::package::Package,
    &super::user::User,
    &super::login::Login,
    &super::sshd_config::SshdConfig,
    &super::host_keys::HostKeys,
    &super::sshd::Sshd,
    &super::references::References,
    &super::negotiation::Negotiation,
    &super::listening::Listening,
    &super::firewall::Firewall,
    &super::selinux_port::SelinuxPort,
    &super::hosts_access::HostsAccess,
    &super::bans::Bans,
    &super::process::Process,
    &super::disk::Disk,
    &super::mount::Mount,
    &super::sudo::Sudo,
    &super::connect::Connect,
    &super::ssh_login::SshLogin,
    &super::resolve::Resolve,
    &super::security_group::SecurityGroup,
];

/// A module that is either built in or an executable beside a runbook.
#[derive(Clone)]
pub enum Handle {
    /// Built in.
    Builtin(&'static dyn Module),
    /// In `modules/`.
    Custom(Arc<Custom>),
}

impl std::ops::Deref for Handle {
    type Target = dyn Module;
    fn deref(&self) -> &Self::Target {
        match self {
            Handle::Builtin(m) => *m,
            Handle::Custom(m) => m.as_ref(),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// The module of that name: built in, else an executable in `modules/` beside the runbook (`dir`).
#[must_use]
pub fn lookup(name: &str, dir: Option<&Path>) -> Option<Handle> {
    if let Some(m) = BUILTIN.iter().find(|m| m.spec().name == name) {
        return Some(Handle::Builtin(*m));
    }
    Custom::find(name, dir?).map(|m| Handle::Custom(Arc::new(m)))
}
