//! The words that stand in the third and fourth field of fstab(5), to know a misspelling by.
//!
//! Source: mount(8), FILESYSTEM-INDEPENDENT MOUNT OPTIONS and the pages ext4(5), xfs(5), btrfs(5), tmpfs(5), nfs(5),
//! mount.cifs(8); systemd.mount(5), FSTAB; swapon(8). A word that is not among them may still be one: only what is near to
//! exactly one of them is a misspelling.

use super::Entry;
use crate::edit::sshd_config::nearest_word;

/// Types whose options are known here.
const TYPES: &[&str] = &[
    "auto", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "msdos", "exfat", "ntfs", "ntfs3", "iso9660",
    "udf", "tmpfs", "ramfs", "proc", "sysfs", "devpts", "devtmpfs", "squashfs", "overlay", "nfs", "nfs4", "cifs",
    "smb3", "swap", "none",
];

/// Types of whose options nothing is known here.
const OTHER_TYPES: &[&str] = &[
    "zfs",
    "jfs",
    "hfs",
    "hfsplus",
    "ufs",
    "ocfs2",
    "gfs2",
    "reiserfs",
    "nilfs2",
    "erofs",
    "bcachefs",
    "afs",
    "ceph",
    "9p",
    "virtiofs",
    "glusterfs",
    "lustre",
    "davfs",
    "sshfs",
    "fuse",
    "fuseblk",
    "fusectl",
    "bpf",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "efivarfs",
    "hugetlbfs",
    "mqueue",
    "pstore",
    "configfs",
    "autofs",
    "binfmt_misc",
    "nfsd",
    "rpc_pipefs",
    "minix",
    "romfs",
    "cramfs",
    "ubifs",
    "jffs2",
    "ntfs-3g",
    "ecryptfs",
    "aufs",
    "unionfs",
    "apfs",
    "vboxsf",
    "vmhgfs",
    "drvfs",
    "ignore",
];

/// Without what follows a `=`.
#[rustfmt::skip]
const OPTIONS: &[&str] = &[
    // mount(8)
    "defaults", "auto", "noauto", "nofail", "user", "nouser", "users", "owner", "group", "rw", "ro", "exec", "noexec", "suid",
    "nosuid", "dev", "nodev", "sync", "async", "dirsync", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime",
    "strictatime", "nostrictatime", "lazytime", "nolazytime", "mand", "nomand", "iversion", "noiversion", "silent", "loud",
    "remount", "bind", "rbind", "private", "rprivate", "shared", "rshared", "slave", "rslave", "_netdev", "loop", "offset",
    "sizelimit", "encryption", "context", "fscontext", "defcontext", "rootcontext", "comment", "helper", "uhelper", "symfollow",
    "nosymfollow", "nobootwait", "bootwait", "acl", "noacl", "user_xattr", "nouser_xattr", "quota", "noquota", "usrquota",
    "grpquota", "prjquota", "usrjquota", "grpjquota", "jqfmt", "discard", "nodiscard", "barrier", "nobarrier", "dax",
    // ext2, ext3, ext4
    "errors", "data", "data_err", "commit", "journal_path", "journal_dev", "journal_checksum", "journal_async_commit",
    "nojournal_checksum", "delalloc", "nodelalloc", "noload", "norecovery", "bsddf", "minixdf", "grpid", "nogrpid", "bsdgroups",
    "sysvgroups", "resgid", "resuid", "sb", "stripe", "init_itable", "noinit_itable", "inode_readahead_blks", "max_batch_time",
    "min_batch_time", "auto_da_alloc", "noauto_da_alloc", "dioread_lock", "dioread_nolock", "nombcache", "i_version", "debug",
    "block_validity", "noblock_validity", "max_dir_size_kb", "nouid32", "oldalloc", "orlov", "check", "nocheck", "abort",
    "inlinecrypt", "test_dummy_encryption",
    // xfs
    "inode32", "inode64", "nouuid", "logbufs", "logbsize", "logdev", "rtdev", "allocsize", "attr2", "noattr2", "ikeep", "noikeep",
    "largeio", "nolargeio", "noalign", "swalloc", "sunit", "swidth", "swidth", "wsync", "uquota", "gquota", "pquota", "uqnoenforce",
    "gqnoenforce", "pqnoenforce", "qnoenforce", "filestreams",
    // btrfs, f2fs
    "subvol", "subvolid", "compress", "compress-force", "ssd", "nossd", "ssd_spread", "nossd_spread", "space_cache",
    "nospace_cache", "clear_cache", "autodefrag", "noautodefrag", "degraded", "device", "datacow", "nodatacow", "datasum",
    "nodatasum", "flushoncommit", "noflushoncommit", "max_inline", "metadata_ratio", "rescan_uuid_tree", "skip_balance",
    "thread_pool", "treelog", "notreelog", "usebackuproot", "user_subvol_rm_allowed", "rescue", "enospc_debug",
    "background_gc", "active_logs", "inline_data", "noinline_data", "compress_algorithm", "compress_extension", "atgc", "gc_merge",
    // vfat, exfat, ntfs, iso9660, tmpfs, proc, devpts, overlay
    "uid", "gid", "umask", "fmask", "dmask", "mode", "dmode", "size", "nr_inodes", "nr_blocks", "huge", "mpol", "iocharset",
    "codepage", "utf8", "shortname", "flush", "tz", "time_offset", "nls", "windows_names", "hide_dot_files", "permissions", "locale",
    "big_writes", "prealloc", "showmeta", "force", "norecover", "recover", "remove_hiberfile", "hidepid", "subset", "gid",
    "ptmxmode", "newinstance", "max", "noswap", "lowerdir", "upperdir", "workdir", "redirect_dir", "index", "metacopy", "xino",
    "nfs_export", "volatile", "unhide", "norock", "nojoliet", "session", "allow_utime", "rodir", "sys_immutable", "quiet",
    // nfs, cifs
    "hard", "soft", "softreval", "softerr", "intr", "nointr", "bg", "fg", "vers", "nfsvers", "minorversion", "rsize", "wsize",
    "timeo", "retrans", "retry", "tcp", "udp", "rdma", "proto", "port", "mountport", "mountproto", "mountvers", "mounthost",
    "mountaddr", "namlen", "sec", "lock", "nolock", "local_lock", "lookupcache", "nconnect", "max_connect", "ac", "noac", "actimeo",
    "acregmin", "acregmax", "acdirmin", "acdirmax", "cto", "nocto", "nosharecache", "sharecache", "resvport", "noresvport",
    "clientaddr", "migration", "nomigration", "fsc", "nofsc", "rdirplus", "nordirplus", "posix", "noposix", "addr",
    "credentials", "cred", "username", "password", "pass", "domain", "workgroup", "file_mode", "dir_mode", "perm", "noperm",
    "dynperm", "nodynperm", "forceuid", "noforceuid", "forcegid", "noforcegid", "cruid", "backupuid", "backupgid", "servern",
    "netbiosname", "unix", "nounix", "linux", "nolinux", "serverino", "noserverino", "seal", "ip", "guest", "multiuser", "brl",
    "nobrl", "mapchars", "nomapchars", "mapposix", "nomapposix", "dfs", "nodfs", "snapshot", "strictsync", "nostrictsync", "echo_interval",
    "persistenthandles", "nopersistenthandles", "resilienthandles", "max_channels", "mfsymlinks", "cache", "strictcache",
    "nohandlecache", "handletimeout", "setuids", "nosetuids", "sfu", "nosfu", "ignorecase", "nocase", "prefixpath", "unc", "rdma",
    // swapon(8), systemd
    "sw", "swap", "pri", "x-systemd.automount", "x-systemd.device-timeout", "x-systemd.mount-timeout", "x-systemd.idle-timeout",
    "x-systemd.requires", "x-systemd.requires-mounts-for", "x-systemd.before", "x-systemd.after", "x-systemd.wanted-by",
    "x-systemd.required-by", "x-systemd.makefs", "x-systemd.growfs", "x-systemd.rw-only", "x-systemd.pcrfs", "x-initrd.mount", "x-mount.mkdir",
    "x-gvfs-show", "x-gvfs-hide", "x-gvfs-name", "x-gvfs-icon", "x-parent",
];

/// An option that is a misspelling, and what was meant; both with what follows a `=`.
#[must_use]
pub fn misspelt_option(e: &Entry) -> Option<(String, String)> {
    if !TYPES.contains(&e.kind.as_str()) {
        return None;
    }
    // What stands between quotes may have commas of its own.
    let plain = e.options.iter().filter(|o| !o.contains('"') && !o.contains('\\'));
    plain.filter(|o| o.len() >= 4).find_map(|option| {
        let (name, value) = option.find('=').map_or((option.as_str(), ""), |at| option.split_at(at));
        if OPTIONS.contains(&name) || name.starts_with("x-") && !name.starts_with("x-sys") {
            return None;
        }
        let meant = nearest_word(name, OPTIONS.iter().map(|o| (*o, *o)))?;
        Some((option.clone(), format!("{meant}{value}")))
    })
}

/// What is wrong with the number of a line's fields: a word that belongs into the field behind it.
#[must_use]
pub fn lacks_a_field(e: &Entry) -> Option<String> {
    if lacks_type(e) {
        return Some(format!("lacks the type of the file system: its third field is \"{}\"", e.kind));
    }
    lacks_options(e).then(|| format!("lacks its options: its fourth field is \"{}\"", e.options.join(",")))
}

/// Whether options stand where the type should be.
fn lacks_type(e: &Entry) -> bool {
    let kind = e.kind.split(',').next().unwrap_or_default();
    OPTIONS.contains(&kind) && !TYPES.contains(&kind) || nearest_word(kind, [("defaults", ())].into_iter()).is_some()
}

/// Whether a number stands where the options should be.
#[must_use]
pub fn lacks_options(e: &Entry) -> bool {
    if lacks_type(e) {
        return false;
    }
    let [first] = e.options.as_slice() else { return false };
    !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit())
}

/// The type that was probably meant by one that is not known here.
#[must_use]
pub fn meant_type(kind: &str) -> Option<&'static str> {
    let known = TYPES.contains(&kind) || OTHER_TYPES.contains(&kind) || kind.len() < 3 || kind.contains([',', '.']);
    if known { None } else { nearest_word(kind, TYPES.iter().map(|t| (*t, *t))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        super::super::read(line.as_bytes()).remove(0).unwrap()
    }

    #[test]
    fn misspelt() {
        let of = |options: &str| misspelt_option(&entry(&format!("/dev/x /d ext4 {options} 0 2"))).map(|m| m.1);
        assert_eq!(of("defualts"), Some("defaults".into()));
        assert_eq!(of("defaults,nofial"), Some("nofail".into()));
        assert_eq!(of("rw,error=remount-ro"), Some("errors=remount-ro".into()));
        assert_eq!(of("x-systemd.automout"), Some("x-systemd.automount".into()));
        for good in [
            "defaults",
            "rw,noatime,errors=remount-ro",
            "x-gvfs-shown",
            "frobnicate",
            "context=\"a,nofial\"",
            "user_xattr",
        ] {
            assert_eq!(of(good), None, "{good}");
        }
        assert_eq!(misspelt_option(&entry("x /d fuse.sshfs defualts")), None, "a type of which nothing is known here");
    }

    #[test]
    fn fields() {
        let of = |line: &str| lacks_a_field(&entry(line));
        assert!(of("/dev/x /d defaults 0 2").unwrap().contains("the type"));
        assert!(of("/dev/x /d ext4 0 2").unwrap().contains("its options"));
        for good in
            ["/dev/x /d ext4", "/dev/x /d ext4 defaults", "/s none swap sw", "x /d nfs ro", "/a /b none bind 0 0"]
        {
            assert_eq!(of(good), None, "{good}");
        }
        assert_eq!(
            (meant_type("ext5"), meant_type("exf4"), meant_type("zfs"), meant_type("fuse.x")),
            (None, Some("ext4"), None, None)
        );
    }
}
