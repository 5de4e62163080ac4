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
        Ok(Box::new(Self { path: text.trim_end_matches('/').to_owned() }))
    }
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
