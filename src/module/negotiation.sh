# What sshd offers to every client before a login: lines `KEYWORD VALUE` of `sshd -T`, and `type TYPE` for each host key.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
s=$(command -v sshd) || { echo nosshd; exit 0; }
t=$(sshd_t 2>&1) || { echo refused; exit 0; }
printf '%s\n' "$t" | grep -E '^(hostkeyalgorithms|kexalgorithms|ciphers|macs|refuseconnection|hostcertificate) '
printf '%s\n' "$t" | sed -n 's/^hostkey //p' | while IFS= read -r f; do
  k=$(cut -d' ' -f1 "$f.pub" 2>/dev/null || ssh-keygen -y -P '' -f "$f" 2>/dev/null </dev/null | cut -d' ' -f1)
  [ ! -e "$f" ] || [ -z "$k" ] || echo "type $k"
done
exit 0
