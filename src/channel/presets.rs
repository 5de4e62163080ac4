//! Presets: a scheme that stands for another with its command filled in. One line each.

use crate::payload::sh_quote;

/// A short name for a channel that exists already.
pub struct Preset {
    /// The word before the colon.
    pub name: &'static str,
    /// What follows the colon, for usage.
    pub rest: &'static str,
    /// The URL that it stands for; `{}` is what follows the colon, each word of it quoted for the shell of `exec:` and
    /// `console:`. For `ssh:` it has only letters that neither ssh, its shell nor socat takes for anything else.
    pub url: &'static str,
    /// Whether this very line was run against the real thing; what it stands for is tested as a channel.
    pub tested: bool,
}

/// Every preset, in the order of the docs.
#[rustfmt::skip]
pub static PRESETS: &[Preset] = &[
    Preset { name: "docker", rest: "CONTAINER", url: "exec:docker exec -i {} sh", tested: true },
    Preset { name: "podman", rest: "CONTAINER", url: "exec:podman exec -i {} sh", tested: true },
    Preset { name: "kubectl", rest: "POD [-n NAMESPACE] [-c CONTAINER]", url: "exec:kubectl exec -i {} -- sh", tested: false },
    Preset { name: "lxc", rest: "CONTAINER", url: "exec:lxc-attach -n {} -- sh", tested: true },
    Preset { name: "nsenter", rest: "PID", url: "exec:nsenter -a -t {} sh", tested: true },
    Preset { name: "machinectl", rest: "MACHINE", url: "exec:systemd-run --quiet --pipe --wait --collect --machine={} sh", tested: true },
    Preset { name: "virsh", rest: "DOMAIN", url: "console:virsh console {}", tested: true },
    Preset { name: "ipmi", rest: "BMC -U USER", url: "console:ipmitool -I lanplus -E -H {} sol activate", tested: true },
    Preset { name: "vsock", rest: "CID", url: "ssh:vsock-{}?option=ProxyCommand=socat%20-%20VSOCK-CONNECT:{}:22", tested: false },
    Preset { name: "ssh-unix", rest: "/SOCKET", url: "ssh:localhost?option=ProxyCommand=socat%20-%20UNIX-CONNECT:{}", tested: true },
    Preset { name: "ec2-serial", rest: "INSTANCE", tested: false, url: "console:key=$HOME/.ssh/id_ed25519; aws ec2-instance-connect send-serial-console-ssh-public-key --serial-port 0 --ssh-public-key file://$key.pub --instance-id {} >/dev/null && exec ssh -tt -i $key {}.port0@serial-console.ec2-instance-connect.$(aws configure get region).aws" },
    Preset { name: "gcp-serial", rest: "INSTANCE [--zone ZONE]", tested: false, url: "console:gcloud compute connect-to-serial-port {}" },
    Preset { name: "az-serial", rest: "VM -g GROUP", tested: false, url: "console:az serial-console connect -n {}" },
];

impl Preset {
    /// The URL that it stands for; `None` where it cannot hold that.
    pub(super) fn fill(&self, rest: &str) -> Option<String> {
        let tame = |c: char| c.is_ascii_alphanumeric() || "._/-+".contains(c);
        let words = if self.url.starts_with("ssh:") {
            Some(rest).filter(|r| r.chars().all(tame))?.to_owned()
        } else {
            rest.split_whitespace().map(sh_quote).collect::<Option<Vec<_>>>()?.join(" ")
        };
        Some(self.url.replace("{}", &words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_a_command() {
        let fill = |name: &str, rest: &str| PRESETS.iter().find(|p| p.name == name).unwrap().fill(rest).unwrap();
        assert_eq!(fill("docker", "web1"), "exec:docker exec -i 'web1' sh");
        assert_eq!(fill("docker", "a;reboot"), "exec:docker exec -i 'a;reboot' sh");
        assert_eq!(fill("kubectl", "web-0 -n prod"), "exec:kubectl exec -i 'web-0' '-n' 'prod' -- sh");
        assert!(fill("ssh-unix", "/run/sshd.sock").ends_with("UNIX-CONNECT:/run/sshd.sock"));
        for bad in
            ["/run/x$(reboot)", "/run/x y", "/run/x,exec=reboot", "/run/x%h", "/run/x&option=ProxyCommand=reboot"]
        {
            assert_eq!(PRESETS.iter().find(|p| p.name == "ssh-unix").unwrap().fill(bad), None, "{bad}");
            assert_eq!(PRESETS.iter().find(|p| p.name == "vsock").unwrap().fill(bad), None, "{bad}");
        }
    }
}
