# `sshd -T` of $s with these arguments. Without its directory sshd says nothing, and that goes away with its unit: one is made
# where nobody else sees it, as other checks look for it meanwhile. All else of /run stays where it is: keys and included files
# may be there, and whoever knows the names of users. Where nothing can be hidden (a container), sshd says itself what it lacks.
sshd_t() {
  if [ -d /run/sshd ] || ! unshare -m true 2>/dev/null; then "$s" -T "$@"; return; fi
  unshare -m sh -c '{ for k in /dev/shm /mnt /tmp; do [ -d $k ] && break; done
    mount -t tmpfs -o mode=755 none $k && mkdir $k/run && mount --rbind /run $k/run && mount -t tmpfs -o mode=755 none /run || exit 97
    for e in $k/run/* $k/run/.[!.]*; do ln -s "$e" /run/; done; rm -f /run/sshd; mkdir -m 755 /run/sshd; } 2>/dev/null
    exec "$0" -T "$@"' "$s" "$@"
}
