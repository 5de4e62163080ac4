//! Ansible's connection plugins, and what becomes of each of their variables: used, passed on, not needed, or refused.
//!
//! The variables are the `vars` of the options in the plugins' own documentation: ansible-core 2.19 and the collections of
//! the community package ansible 12.3 (community.docker, community.general, community.libvirt, community.okd,
//! containers.podman, kubernetes.core, amazon.aws, ansible.netcommon). A variable may say which machine is meant, so one
//! that has a plugin's prefix and is in no table here makes its host an error.

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is used; what it becomes.
    Used(&'static str),
    /// It is passed on to the plugin's program, behind this option.
    Option(&'static str),
    /// This option is passed on if it is true.
    Switch(&'static str),
    /// Its words are passed on as they are.
    Words,
    /// A map: the environment of the plugin's program.
    Environment,
    /// It says neither which machine nor who to be there; why it is not needed.
    Unused(&'static str),
    /// Its host is an error; why, as the end of a sentence.
    Refused(&'static str),
    /// Refused if it is false.
    Checked(&'static str),
}

/// How a plugin's hosts are reached here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ssh,
    Local,
    /// A scheme of ours with the name of what is entered.
    Scheme(&'static str),
    /// A mounted disk.
    Disk,
    /// A command of the controller: `PROGRAM OPTIONS VERB NAME TAIL`.
    Command(CommandLine),
}

/// A command that enters a container, a pod or a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The preset that is the same command, for where there is nothing to pass on.
    pub preset: Option<&'static str>,
    pub program: &'static str,
    /// Options that the plugin gives in any case.
    pub always: &'static [&'static str],
    pub verb: &'static str,
    /// What gives the shell.
    pub tail: &'static str,
    /// The option for the user, if the plugin passes him on.
    pub user: Option<User>,
}

/// How a command is told who to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// By an option behind the verb.
    Option(&'static str),
    /// By su(1) inside, unless it is root.
    Su,
}

/// A connection plugin, and those that are the same here.
#[derive(Debug)]
pub struct Plugin {
    /// The last part of its name, as `ansible_connection` has it.
    pub names: &'static [&'static str],
    /// What its own variables begin with; empty: ansible-core's, which are all in the table.
    pub(super) prefix: &'static str,
    pub(super) kind: Kind,
    /// By option; of several names the last that is given counts.
    pub variables: &'static [(&'static [&'static str], Fate)],
}

const DEADLINES: Fate = Fate::Unused("every look and every change has its own deadline");
const FILES: Fate = Fate::Unused("files travel inside the scripts, not by scp or sftp");
const SHELL: Fate = Fate::Unused("scripts are for sh, which every host has");
const SHOWS: Fate = Fate::Refused("is a secret that would show in ps: keep it in the kubeconfig");
const UNCHECKED: Fate = Fate::Checked("would accept any server: give its certificate authority");
const KEY: Fate = Fate::Unused("an unknown host key is never accepted unseen");
const NOT_THERE: Fate = Fate::Unused("Ansible's plugin does not use it either");

const SSH: &[(&[&str], Fate)] = &[
    (&["ansible_host", "ansible_ssh_host"], Fate::Used("where ssh goes, and the address")),
    (&["ansible_port", "ansible_ssh_port"], Fate::Used("the port")),
    (&["ansible_user", "ansible_ssh_user"], Fate::Used("the user")),
    (&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"], Fate::Used("the password")),
    (&["ansible_private_key_file", "ansible_ssh_private_key_file"], Fate::Used("ssh -i")),
    (&["ansible_private_key", "ansible_ssh_private_key"], Fate::Refused("is a key itself: keep it in a file")),
    (
        &["ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase", "ansible_private_key_password"],
        Fate::Used("the password, where no other is given"),
    ),
    (&["ansible_ssh_args"], Fate::Used("ssh's options, as listed above")),
    (&["ansible_ssh_common_args"], Fate::Used("ssh's options, as listed above")),
    (&["ansible_ssh_extra_args"], Fate::Used("ssh's options, as listed above")),
    (&["ansible_ssh_executable"], Fate::Used("refused, unless it is ssh itself")),
    (&["ansible_ssh_pkcs11_provider"], Fate::Used("ssh -o PKCS11Provider")),
    (&["ansible_host_key_checking", "ansible_ssh_host_key_checking"], KEY),
    (&["ansible_ssh_timeout"], DEADLINES),
    (&["ansible_ssh_retries"], DEADLINES),
    (&["ansible_control_path", "ansible_control_path_dir"], Fate::Unused("the connection is shared anyway")),
    (&["ansible_pipelining", "ansible_ssh_pipelining"], Fate::Unused("scripts are always piped")),
    (&["ansible_ssh_use_tty", "ansible_ssh_verbosity"], Fate::Unused("scripts have no terminal")),
    (&["ansible_ssh_password_mechanism", "ansible_sshpass_prompt"], Fate::Unused("ssh asks the program itself")),
    (&["ansible_sftp_executable", "ansible_sftp_extra_args", "ansible_sftp_batch_mode"], FILES),
    (&["ansible_scp_executable", "ansible_scp_extra_args", "ansible_scp_if_ssh"], FILES),
    (&["ansible_ssh_transfer_method"], FILES),
];

/// Every plugin that a channel can do.
pub static PLUGINS: &[Plugin] = &[
    Plugin { names: &["ssh", "smart"], prefix: "", kind: Kind::Ssh, variables: SSH },
    Plugin {
        names: &["paramiko", "paramiko_ssh"],
        prefix: "ansible_paramiko_",
        kind: Kind::Ssh,
        variables: &[
            (&["ansible_paramiko_host"], Fate::Used("where ssh goes, and the address")),
            (&["ansible_paramiko_port"], Fate::Used("the port")),
            (&["ansible_paramiko_user"], Fate::Used("the user")),
            (&["ansible_paramiko_pass", "ansible_paramiko_password"], Fate::Used("the password")),
            (&["ansible_paramiko_private_key_file"], Fate::Used("ssh -i")),
            (&["ansible_paramiko_proxy_command"], Fate::Used("ssh -o ProxyCommand")),
            (&["ansible_paramiko_use_rsa_sha2_algorithms"], Fate::Unused("ssh chooses by itself")),
            (&["ansible_paramiko_host_key_checking"], KEY),
            (&["ansible_paramiko_timeout"], DEADLINES),
        ],
    },
    Plugin {
        names: &["libssh"],
        prefix: "ansible_libssh_",
        kind: Kind::Ssh,
        variables: &[
            (&["ansible_libssh_host"], Fate::Used("where ssh goes, and the address")),
            (&["ansible_libssh_user"], Fate::Used("the user")),
            (&["ansible_libssh_pass", "ansible_libssh_password"], Fate::Used("the password")),
            (&["ansible_libssh_proxy_command"], Fate::Used("ssh -o ProxyCommand")),
            (&["ansible_libssh_config_file"], Fate::Used("ssh -F")),
            (&["ansible_libssh_password_prompt"], Fate::Unused("ssh asks the program itself")),
            (
                &["ansible_libssh_publickey_algorithms", "ansible_libssh_hostkeys"],
                Fate::Unused("ssh's configuration says which algorithms"),
            ),
            (&["ansible_libssh_key_exchange_algorithms"], Fate::Unused("ssh's configuration says which algorithms")),
            (&["ansible_libssh_host_key_checking"], KEY),
        ],
    },
    Plugin {
        names: &["local"],
        prefix: "ansible_local_",
        kind: Kind::Local,
        variables: &[(
            &["ansible_local_become_success_timeout", "ansible_local_become_strip_preamble"],
            Fate::Unused("becoming root is runbook's own"),
        )],
    },
    Plugin {
        names: &["docker"],
        prefix: "ansible_docker_",
        kind: Kind::Command(CommandLine {
            preset: Some("docker"),
            program: "docker",
            always: &[],
            verb: "exec -i",
            tail: "sh",
            user: Some(User::Option("-u")),
        }),
        variables: &[
            (&["ansible_host", "ansible_docker_host"], Fate::Used("the container")),
            (&["ansible_user", "ansible_docker_user"], Fate::Used("docker exec -u")),
            (&["ansible_docker_extra_args"], Fate::Words),
            (&["ansible_docker_timeout"], DEADLINES),
            (&["ansible_docker_extra_env"], Fate::Unused("scripts set what they need")),
            (&["ansible_docker_working_dir"], Fate::Unused("scripts name whole paths")),
            (&["ansible_docker_privileged"], Fate::Used("docker exec --privileged")),
        ],
    },
    Plugin {
        names: &["docker_api"],
        prefix: "ansible_docker_",
        kind: Kind::Command(CommandLine {
            preset: Some("docker"),
            program: "docker",
            always: &[],
            verb: "exec -i",
            tail: "sh",
            user: Some(User::Option("-u")),
        }),
        variables: &[
            (&["ansible_host", "ansible_docker_host"], Fate::Used("the container")),
            (&["ansible_user", "ansible_docker_user"], Fate::Used("docker exec -u")),
            (&["ansible_docker_docker_host"], Fate::Option("-H")),
            (&["ansible_docker_ca_cert", "ansible_docker_ca_path"], Fate::Option("--tlscacert")),
            (&["ansible_docker_client_cert"], Fate::Option("--tlscert")),
            (&["ansible_docker_client_key"], Fate::Option("--tlskey")),
            (&["ansible_docker_tls"], Fate::Switch("--tls")),
            (&["ansible_docker_validate_certs"], Fate::Switch("--tlsverify")),
            (&["ansible_docker_tls_hostname"], Fate::Refused("is nothing that docker can be told")),
            (&["ansible_docker_api_version"], Fate::Unused("docker agrees on one by itself")),
            (&["ansible_docker_timeout"], DEADLINES),
            (&["ansible_docker_extra_env"], Fate::Unused("scripts set what they need")),
            (&["ansible_docker_working_dir"], Fate::Unused("scripts name whole paths")),
            (&["ansible_docker_privileged"], Fate::Used("docker exec --privileged")),
        ],
    },
    Plugin {
        names: &["nsenter"],
        prefix: "ansible_nsenter_",
        kind: Kind::Scheme("nsenter"),
        variables: &[(&["ansible_nsenter_pid"], Fate::Used("the process, else 1"))],
    },
    Plugin {
        names: &["podman"],
        prefix: "ansible_podman_",
        kind: Kind::Command(CommandLine {
            preset: Some("podman"),
            program: "podman",
            always: &[],
            verb: "exec -i",
            tail: "sh",
            user: Some(User::Option("--user")),
        }),
        variables: &[
            (&["ansible_host", "ansible_podman_host"], Fate::Used("the container")),
            (&["ansible_user"], Fate::Used("podman exec --user")),
            (&["ansible_podman_extra_args"], Fate::Words),
            (&["ansible_podman_executable"], Fate::Used("the program in podman's place")),
        ],
    },
    Plugin {
        names: &["buildah"],
        prefix: "ansible_buildah_",
        kind: Kind::Command(CommandLine {
            preset: None,
            program: "buildah",
            always: &[],
            verb: "run",
            tail: "-- sh",
            user: Some(User::Option("--user")),
        }),
        variables: &[
            (&["ansible_host"], Fate::Used("the container")),
            (&["ansible_user"], Fate::Used("buildah run --user")),
        ],
    },
    Plugin {
        names: &["kubectl"],
        prefix: "ansible_kubectl_",
        kind: Kind::Command(CommandLine {
            preset: Some("kubectl"),
            program: "kubectl",
            always: &[],
            verb: "exec -i",
            tail: "-- sh",
            user: None,
        }),
        variables: &[
            (&["ansible_host", "ansible_kubectl_pod"], Fate::Used("the pod")),
            (&["ansible_kubectl_kubeconfig", "ansible_kubectl_config"], Fate::Option("--kubeconfig")),
            (&["ansible_kubectl_context"], Fate::Option("--context")),
            (&["ansible_kubectl_host", "ansible_kubectl_server"], Fate::Option("--server")),
            (&["ansible_kubectl_namespace"], Fate::Option("-n")),
            (&["ansible_kubectl_container"], Fate::Option("-c")),
            (&["ansible_kubectl_username", "ansible_kubectl_user"], Fate::Option("--username")),
            (&["ansible_kubectl_cert_file", "ansible_kubectl_client_cert"], Fate::Option("--client-certificate")),
            (&["ansible_kubectl_key_file", "ansible_kubectl_client_key"], Fate::Option("--client-key")),
            (&["ansible_kubectl_ssl_ca_cert", "ansible_kubectl_ca_cert"], Fate::Option("--certificate-authority")),
            (&["ansible_kubectl_verify_ssl", "ansible_kubectl_validate_certs"], UNCHECKED),
            (&["ansible_kubectl_password"], SHOWS),
            (&["ansible_kubectl_token", "ansible_kubectl_api_key"], SHOWS),
            (&["ansible_kubectl_extra_args"], Fate::Words),
            (&["ansible_kubectl_local_env_vars"], Fate::Environment),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["oc"],
        prefix: "ansible_oc_",
        kind: Kind::Command(CommandLine {
            preset: None,
            program: "oc",
            always: &[],
            verb: "exec -i",
            tail: "-- sh",
            user: None,
        }),
        variables: &[
            (&["ansible_host", "ansible_oc_pod"], Fate::Used("the pod")),
            (&["ansible_oc_kubeconfig", "ansible_oc_config"], Fate::Option("--kubeconfig")),
            (&["ansible_oc_context"], Fate::Option("--context")),
            (&["ansible_oc_host", "ansible_oc_server"], Fate::Option("--server")),
            (&["ansible_oc_namespace"], Fate::Option("-n")),
            (&["ansible_oc_container"], Fate::Option("-c")),
            (&["ansible_oc_cert_file", "ansible_oc_client_cert"], Fate::Option("--client-certificate")),
            (&["ansible_oc_key_file", "ansible_oc_client_key"], Fate::Option("--client-key")),
            (&["ansible_oc_ssl_ca_cert", "ansible_oc_ca_cert"], Fate::Option("--certificate-authority")),
            (&["ansible_oc_verify_ssl", "ansible_oc_validate_certs"], UNCHECKED),
            (&["ansible_oc_token", "ansible_oc_api_key"], SHOWS),
            (&["ansible_oc_extra_args"], Fate::Words),
            (&["ansible_oc_local_env_vars"], Fate::Environment),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["lxc"],
        prefix: "ansible_lxc_",
        kind: Kind::Scheme("lxc"),
        variables: &[
            (&["ansible_host", "ansible_lxc_host"], Fate::Used("the container")),
            (&["ansible_executable", "ansible_lxc_executable"], SHELL),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["lxd"],
        prefix: "ansible_lxd_",
        kind: Kind::Command(CommandLine {
            preset: None,
            program: "lxc",
            always: &[],
            verb: "exec",
            tail: "-- sh",
            user: Some(User::Su),
        }),
        variables: &[
            (&["ansible_host", "ansible_lxd_host"], Fate::Used("the instance, up to its first dot")),
            (&["ansible_lxd_remote"], Fate::Used("the remote in front of the instance, else local")),
            (&["ansible_lxd_project"], Fate::Option("--project")),
            (&["ansible_user"], Fate::Used("su inside, unless it is root")),
            (&["lxd_become_method"], Fate::Used("the program in place of su")),
            (&["ansible_executable", "ansible_lxd_executable"], SHELL),
        ],
    },
    Plugin {
        names: &["incus"],
        prefix: "ansible_incus_",
        kind: Kind::Command(CommandLine {
            preset: None,
            program: "incus",
            always: &["--project", "default"],
            verb: "exec",
            tail: "-- sh",
            user: Some(User::Su),
        }),
        variables: &[
            (&["ansible_host", "ansible_incus_host"], Fate::Used("the instance, up to its first dot")),
            (&["ansible_incus_remote"], Fate::Used("the remote in front of the instance, else local")),
            (&["ansible_incus_project"], Fate::Option("--project")),
            (&["ansible_user"], Fate::Used("su inside, unless it is root")),
            (&["incus_become_method"], Fate::Used("the program in place of su")),
            (&["ansible_executable", "ansible_incus_executable"], SHELL),
        ],
    },
    Plugin {
        names: &["libvirt_lxc"],
        prefix: "ansible_libvirt_",
        kind: Kind::Command(CommandLine {
            preset: None,
            program: "virsh -c lxc:///",
            always: &[],
            verb: "lxc-enter-namespace",
            tail: "-- /bin/sh",
            user: None,
        }),
        variables: &[
            (&["ansible_host", "ansible_libvirt_lxc_host"], Fate::Used("the domain")),
            (&["ansible_libvirt_lxc_noseclabel"], Fate::Used("virsh lxc-enter-namespace --noseclabel")),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["libvirt_qemu"],
        prefix: "ansible_libvirt_",
        kind: Kind::Scheme("guest-agent"),
        variables: &[
            (&["ansible_host", "ansible_libvirt_qemu_host"], Fate::Used("the domain")),
            (&["ansible_libvirt_uri"], Fate::Used("virsh -c, else qemu:///system")),
            (&["ansible_shell_type"], SHELL),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["aws_ssm"],
        prefix: "ansible_aws_ssm_",
        kind: Kind::Scheme("ssm"),
        variables: &[
            (&["ansible_host", "ansible_aws_ssm_instance_id"], Fate::Used("the instance")),
            (&["ansible_aws_ssm_region"], Fate::Used("aws --region")),
            (&["ansible_aws_ssm_profile"], Fate::Used("aws --profile")),
            (
                &[
                    "ansible_aws_ssm_access_key_id",
                    "ansible_aws_ssm_secret_access_key",
                    "ansible_aws_ssm_session_token",
                ],
                Fate::Refused("is a key itself: aws takes it from a profile or from the environment"),
            ),
            (
                &[
                    "ansible_aws_ssm_bucket_name",
                    "ansible_aws_ssm_bucket_endpoint_url",
                    "ansible_aws_ssm_bucket_sse_mode",
                ],
                Fate::Unused("no bucket is needed"),
            ),
            (
                &["ansible_aws_ssm_bucket_sse_kms_key_id", "ansible_aws_ssm_s3_addressing_style"],
                Fate::Unused("no bucket is needed"),
            ),
            (
                &["ansible_aws_ssm_plugin", "ansible_aws_ssm_document"],
                Fate::Unused("AWS-RunShellScript runs the scripts, as root and without a session"),
            ),
            (&["ansible_aws_ssm_retries", "ansible_aws_ssm_timeout"], DEADLINES),
            (&["ansible_user"], NOT_THERE),
        ],
    },
    Plugin {
        names: &["chroot"],
        prefix: "ansible_chroot_",
        kind: Kind::Disk,
        variables: &[
            (&["ansible_host"], Fate::Used("the directory")),
            (
                &["ansible_chroot_exe", "ansible_chroot_disable_root_check"],
                Fate::Unused("a disk is looked at in place"),
            ),
            (&["ansible_executable"], SHELL),
            (&["ansible_user"], NOT_THERE),
        ],
    },
];

/// The plugins of ansible-core and of the community package whose hosts are an error here: no channel does that.
pub const NO_CHANNEL: &[&str] = &[
    "funcd",
    "grpc",
    "httpapi",
    "iap",
    "iocage",
    "jail",
    "netconf",
    "network_cli",
    "persistent",
    "proxmox_pct_remote",
    "psrp",
    "qubes",
    "saltstack",
    "vmware_tools",
    "winrm",
    "wsl",
    "zone",
];

/// The plugin of an `ansible_connection`, with or without its collection's name.
pub(super) fn find(connection: &str) -> Option<&'static Plugin> {
    let short = connection.rsplit('.').next().unwrap_or_default();
    PLUGINS.iter().find(|p| p.names.contains(&short))
}

/// Whether a variable is some plugin's: its meaning is in the host itself, and it is none of a runbook's.
pub(super) fn is_variable(name: &str) -> bool {
    PLUGINS.iter().flat_map(|p| p.variables).any(|(names, _)| names.contains(&name))
}

impl Plugin {
    /// What becomes of a variable; `None`: it is none of this plugin's.
    pub(super) fn fate(&self, name: &str) -> Option<Fate> {
        let own = self.variables.iter().find(|(names, _)| names.contains(&name));
        let ssh = || (self.kind == Kind::Ssh).then(|| SSH.iter().find(|(names, _)| names.contains(&name))).flatten();
        own.or_else(ssh).map(|(_, fate)| *fate)
    }
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Used(what) => f.write_str(what),
            Self::Option(option) => write!(f, "passed on as `{option}`"),
            Self::Switch(option) => write!(f, "passed on as `{option}`, if it is true"),
            Self::Words => f.write_str("passed on, word by word"),
            Self::Environment => f.write_str("passed on as the program's environment"),
            Self::Unused(why) => write!(f, "not needed: {why}"),
            Self::Refused(why) => write!(f, "an error: it {why}"),
            Self::Checked(why) => write!(f, "an error if it is false: that {why}"),
        }
    }
}

/// The tables of `docs/inventory.md`: each plugin's variables and what becomes of them.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| connection | variable | what becomes of it |\n| --- | --- | --- |\n");
    for plugin in PLUGINS {
        let names = plugin.names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        for (variables, fate) in plugin.variables {
            let variables = variables.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
            out.push_str(&format!("| {names} | {variables} | {fate} |\n"));
        }
    }
    let none = NO_CHANNEL.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    out.push_str(&format!("| {none} | all | an error: no channel does that |\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variable that two rows of one plugin decide has no decision.
    #[test]
    fn each_variable_of_a_plugin_is_decided_once() {
        for plugin in PLUGINS {
            let all: Vec<&str> = plugin.variables.iter().flat_map(|v| v.0).copied().collect();
            for (at, name) in all.iter().enumerate() {
                assert!(!all[at + 1..].contains(name), "{:?} {name}", plugin.names);
                assert!(plugin.fate(name).is_some());
            }
        }
        assert!(NO_CHANNEL.iter().all(|n| find(n).is_none()));
    }
}
