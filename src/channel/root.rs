//! `root:/mnt` — a disk mounted in rescue mode, or any tree of files. Nothing runs there: scripts run here, with every
//! path resolved inside the tree; a runbook's own commands run in a chroot where that works.

use std::time::Duration;

use super::{Caps, Channel, ChannelError, Output, Pending, absolute, run_program};

/// The tree.
pub struct Root {
    path: String,
}

impl Root {
    pub(super) fn open(path: &str) -> Result<Box<dyn Channel>, ChannelError> {
        let full = absolute(path).map_err(|e| ChannelError::new(format!("{path}: {e}")))?;
        if !full.is_dir() {
            return Err(ChannelError::new(format!("{path} is not a directory"))
                .hint("mount the disk first, and name the mount point"));
        }
        let text = full
            .to_str()
            .filter(|t| !t.contains('\n'))
            .ok_or_else(|| ChannelError::new(format!("{path}: not a UTF-8 path")))?;
        if text == "/" {
            return Err(ChannelError::new("root:/ is this machine").hint("use local:"));
        }
        let empty = std::fs::read_dir(&full)
            .map_err(|e| ChannelError::new(format!("{path} cannot be read: {e}")).hint("run it as root"))?
            .next()
            .is_none();
        if empty {
            return Err(ChannelError::new(format!("nothing is mounted there: {path} is empty"))
                .hint(format!("lsblk -f shows the disks; then: mount /dev/DISK {path}")));
        }
        if !has_etc(&full) {
            let hint = match root_below(&full) {
                Some(name) => {
                    format!("it is in a directory of that name: --via root:{}/{name}", text.trim_end_matches('/'))
                }
                None => {
                    "lsblk -f shows the disks; mount the one that has /etc, or name the directory that it is in".into()
                }
            };
            return Err(ChannelError::new(format!("{path} holds no root file system: it has no etc")).hint(hint));
        }
        Ok(Box::new(Self { path: text.trim_end_matches('/').to_owned() }))
    }
}

/// Whether a tree has the directory that every system has (hier(7)).
fn has_etc(dir: &std::path::Path) -> bool {
    dir.join("etc").symlink_metadata().is_ok()
}

/// A subvolume of btrfs or a directory of an image that holds the system, where the tree itself does not.
fn root_below(dir: &std::path::Path) -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .ok()?
        .flatten()
        .filter(|e| has_etc(&e.path()))
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names.into_iter().next()
}

impl Channel for Root {
    fn caps(&self) -> Caps {
        Caps { live: false, ..Caps::PIPES }
    }
    fn root(&self) -> Option<&str> {
        Some(&self.path)
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(run_program(&["sh"], script, deadline))
    }
}
