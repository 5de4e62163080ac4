# Every file system of this host's own: a line `blocks DF-LINE` and `inodes DF-LINE` each (POSIX df -P). What hangs on the
# network may hang for ever, and what only shows the kernel's own state is never full.
set --
while read -r _ m t _; do
  case $t in proc|sysfs|dev*|cgroup*|securityfs|debugfs|tracefs|pstore|bpf|configfs|mqueue|hugetlbfs|autofs|rpc_pipefs|binfmt_misc|efivarfs|fusectl|ramfs|squashfs|iso9660|nfs*|cifs|smb*|fuse*|9p|ceph|glusterfs|nsfs|selinuxfs) continue;; esac
  # The kernel writes blanks and the like as \040.
  case $m in *\\012*) continue;; *\\*) m=$(printf "$(printf '%s' "$m" | sed 's/%/%%/g')");; esac
  case $m in /proc/*|/sys/*|/dev|/dev/*|/run/credentials/*|/run/user/*|/run/lock|/run/host*) continue;; esac
  [ -d "$m" ] && set -- "$@" "$m"
done </proc/mounts
[ $# -gt 0 ] || set -- /
df -Pk "$@" 2>/dev/null | sed -n '2,$s/^/blocks /p'
df -Pi "$@" 2>/dev/null | sed -n '2,$s/^/inodes /p'
exit 0
