//! What the sources of a directory come to, good ones and hostile ones.

use super::*;

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(dir)
    }
    fn load(&self, names: &[&str]) -> Result<Inventory, Vec<Diagnostic>> {
        let path = |n: &&str| self.0.path().join(n).display().to_string();
        Inventory::load(&names.iter().map(path).collect::<Vec<_>>())
    }
    /// `NAME:LINE:COLUMN: message`, one a line.
    fn said(&self, all: &[Diagnostic]) -> String {
        let dir = format!("{}/", self.0.path().display());
        all.iter()
            .map(|e| {
                assert!(e.hint.is_some() && e.spot.is_some(), "{e:?}");
                format!("{e}\n").replace(&dir, "")
            })
            .collect()
    }
}

fn errors(name: &str, text: &str) -> String {
    let files = Files::new(&[(name, text)]);
    files.said(&files.load(&[name]).unwrap_err())
}

#[test]
fn a_host_has_what_its_groups_give() {
    let files = Files::new(&[(
        "i.yaml",
        "hosts:\n  web[1:2]:\n    address: 10.0.0.1\n    port: 2222\n    vars: {port: 22}\n    become: true\n\
         \x20   channels:\n      - exec: docker exec -i {target} sh\n      - ssh: {user: admin}\n      - local\n\
         groups:\n  all: {vars: {zone: a}}\n  site: {children: [web], vars: {port: 1, zone: b, site: s}}\n\
         \x20 web: {hosts: [\"web[1:2]\"], vars: {port: 2, zone: c}}\n",
    )]);
    let inventory = files.load(&["i.yaml"]).unwrap();
    assert_eq!(inventory.names(), ["web1", "web2"]);
    let h = inventory.host("web2").unwrap();
    let vars: Vec<String> = h.vars.iter().map(|g| format!("{}={}", g.name, g.value)).collect();
    assert_eq!(vars, ["port=22", "site=\"s\"", "zone=\"c\""]);
    let urls: Vec<&str> = h.channels.iter().map(|w| w.url.text()).collect();
    assert_eq!(urls, ["exec:docker exec -i {target} sh", "ssh://admin@10.0.0.1:2222", "local"]);
    assert_eq!((h.port, h.elevate.is_some(), h.errors.len()), (Some(2222), true, 0));
}

/// As Ansible's plugins try a file one after the other.
#[test]
fn yaml_is_told_by_its_content() {
    for (name, text) in [
        ("hosts.inventory", "all:\n  hosts:\n    web1: {x: 1}\n"),
        ("hosts.ini", "web:\n  hosts: {web1: {x: 1}}\n"),
        ("prod.conf", "---\nall: {hosts: {web1: {x: 1}}}\n"),
        ("prod.inv", "hosts: {web1: {vars: {x: 1}}}\n"),
        ("hosts.json.new", "{\"all\": {\"hosts\": {\"web1\": {\"x\": 1}}}}\n"),
        ("plain.ini", "web1 x=1\n"),
        ("sections.yamlish", "[web]\nweb1\n[web:vars]\nx = 1\n"),
    ] {
        let files = Files::new(&[(name, text)]);
        let host = files.load(&[name]).unwrap_or_else(|e| panic!("{name}: {e:?}")).host("web1").unwrap();
        assert_eq!(host.vars.iter().map(|g| format!("{}={}", g.name, g.value)).collect::<Vec<_>>(), ["x=1"], "{name}");
    }
}

#[test]
fn what_is_encrypted_as_a_whole_is_no_list_of_hosts() {
    for name in ["hosts", "hosts.ini", "hosts.yaml"] {
        let said = errors(name, "$ANSIBLE_VAULT;1.1;AES256\n62313365396662343061393464336163\n3634\n");
        assert_eq!(said, format!("{name}:1:1: this file is encrypted with ansible-vault\n"), "{name}");
    }
}

#[test]
fn consoles_say_who_to_be() {
    let files = Files::new(&[(
        "i.yaml",
        "hosts:\n  web1:\n    address: 203.0.113.50\n    vars: {port: 22}\n    channels:\n      - ssh: {user: admin}\n\
         \x20     - console: {command: virsh console web1, login: root, password: {env: WEB1_PASSWORD}}\n\
         \x20     - unix: {path: /run/web1.console, login: root, password: prompt}\n\
         \x20     - tcp: {host: \"2001:db8::5\", port: 7001, login: root}\n\
         \x20     - serial: {device: /dev/ttyUSB0, baud: 9600}\ngroups: {web: {hosts: [web1], vars: {}}}\n",
    )]);
    let h = files.load(&["i.yaml"]).unwrap().host("web1").unwrap();
    let ways: Vec<String> =
        h.channels.iter().map(|w| format!("{} {:?} {:?}", w.url.text(), w.user, w.password)).collect();
    assert_eq!(
        ways,
        [
            "ssh://admin@203.0.113.50 None None",
            "console:virsh console web1 Some(\"root\") Some(Env(\"WEB1_PASSWORD\"))",
            "unix:/run/web1.console Some(\"root\") Some(Prompt)",
            "tcp:[2001:db8::5]:7001 Some(\"root\") None",
            "serial:/dev/ttyUSB0?baud=9600 None None",
        ]
    );
}

#[test]
fn sources_of_both_kinds_add_up() {
    let files = Files::new(&[
        ("ours.yaml", "hosts: {web1: {channels: [local], vars: {a: 1, b: 1}}}\ngroups: {web: {hosts: [web1]}}\n"),
        ("theirs", "[web]\nweb1 b=2\nweb2 ansible_port=2222\n[web:vars]\nc=3\n"),
    ]);
    let inventory = files.load(&["ours.yaml", "theirs"]).unwrap();
    let h = inventory.host("web1").unwrap();
    assert_eq!(h.channels[0].url.text(), "local");
    let vars: Vec<String> = h.vars.iter().map(|g| format!("{}={}", g.name, g.value)).collect();
    assert_eq!(vars, ["a=1", "b=2", "c=3"]);
    assert_eq!(inventory.host("web2").unwrap().channels[0].url.text(), "ssh://web2:2222");
    assert!(inventory.host("web3").is_none());
}

#[test]
fn what_a_minus_t_may_be() {
    let files = Files::new(&[("hosts", "[web]\nweb[1:3]\n[db]\ndb1\n[2001]\n2001:db8::1\n")]);
    let inventory = files.load(&["hosts"]).unwrap();
    let select = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let found = inventory.select(&patterns).map_err(|e| {
            let all = e.iter().map(|e| format!("{e} ({})", e.hint.as_deref().unwrap()));
            all.collect::<Vec<_>>().join("; ")
        })?;
        let one = |s: Selected| match s {
            Selected::Host(h) => h.name,
            Selected::Unknown { name, near } => format!("?{name}{}", near.map(|n| format!("~{n}")).unwrap_or_default()),
        };
        Ok::<_, String>(found.into_iter().map(one).collect::<Vec<_>>().join(" "))
    };
    for (patterns, hosts) in [
        (&["web"][..], "web1 web2 web3"),
        (&["db1", "web", "!web2"], "db1 web1 web3"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["wbe1"], "?wbe1~web1"),
        (&["admin@gate:2222", "web1"], "?admin@gate:2222 web1"),
        (&["gate:22"], "?gate:22"),
        (&["gate,web1", "!gate"], "web1"),
        (&["gate:&web"], ""),
    ] {
        match select(patterns) {
            Ok(found) => assert_eq!(found, hosts, "{patterns:?}"),
            Err(e) => assert_eq!((hosts, e.contains("leave no host")), ("", true), "{e}"),
        }
    }
    for (patterns, error) in [
        (&["wbe*"][..], "-t:1:1: no host or group matches \"wbe*\" (did you mean \"web\"?)"),
        (&["web:!wbe"], "-t:1:6: no host or group matches \"wbe\" (did you mean \"web\"?)"),
        (&["web[7]"], "-t:1:1: \"web[7]\" selects none: \"web\" has 3 hosts (the first is [0], the last is [-1])"),
        (&["web:&db"], "-t:1:1: the patterns leave no host (runbook ping -t all -i … shows what there is)"),
        (&["web,!"], "-t:1:6: an empty pattern (a name follows ! and &)"),
        (&["~("], "-t:1:1: \"~(\" is no regular expression: unclosed group (like '~web[0-9]+')"),
        (&[","], "-t:1:1: no pattern (-t all means every host)"),
    ] {
        assert_eq!(select(patterns), Err(error.to_owned()), "{patterns:?}");
    }
    let none = Inventory::default();
    assert!(matches!(&none.select(&["web1".into()]).unwrap()[..], [Selected::Unknown { near: None, .. }]));
    assert_eq!(none.select(&["all".into()]).unwrap_err()[0].to_string(), "-t:1:1: the patterns leave no host");
}

#[test]
fn ini_that_is_wrong() {
    assert_eq!(
        errors(
            "hosts",
            "[web\nweb1 x\n[web]\n  a b 'c\n[we b]\nlost\n[web:varz]\nlost\n[site:children]\nwbe\ndb # x\na b\n\
             [nope:vars]\nx=1\n[web:vars]\nnovalue\n=3\n[web]\nh[1:3\nh[0:99999999]\nh[3:1]\nh[a:c:0]\nx:\n---\n",
        ),
        "hosts:1:1: \"[web\": the [ is not closed\n\
         hosts:2:6: \"x\" is not NAME=VALUE\n\
         hosts:4:7: the quote that opens here is not closed\n\
         hosts:5:1: this is no section\n\
         hosts:7:6: no section is of the kind \"varz\"\n\
         hosts:10:1: no group \"wbe\" in this file\n\
         hosts:11:1: no group \"db\" in this file\n\
         hosts:12:1: \"a b\" is no name of a group\n\
         hosts:13:2: no group \"nope\" in this file\n\
         hosts:16:1: \"novalue\" is not NAME=VALUE\n\
         hosts:17:1: a value without a name\n\
         hosts:19:1: \"h[1:3\": the [ is not closed\n\
         hosts:20:1: \"h[0:99999999]\": more than 65536 hosts in one pattern\n\
         hosts:21:1: \"h[3:1]\": [3:1] begins after its end\n\
         hosts:22:1: \"h[a:c:0]\": [a:c:0] has no step that counts\n\
         hosts:23:1: \"x:\" ends in a colon, and no port follows\n\
         hosts:24:1: --- begins a YAML file\n"
    );
    assert_eq!(
        errors("hosts", "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n"),
        "hosts:6:1: the group \"a\" is above \"c\" already: it cannot be below it too\n"
    );
    assert_eq!(errors("hosts", "[web]\nweb1 x=\u{1b}[31m\n"), "hosts:2:8: the control character U+001B\n");
    assert_eq!(
        errors("hosts", "[web]\n[web:vars]\nansible_group_priority=x\n"),
        "hosts:3:24: \"ansible_group_priority\" must be a whole number\n"
    );
    let big = format!("h[1:60000] x={}\n", "x".repeat(100_000));
    assert_eq!(errors("hosts", &big), "hosts:1:12: more than 256 MiB of variables in all\n");
    let many: String = (0..20_000).map(|n| format!("[g{n}]\n")).collect();
    assert!(errors("hosts", &many).starts_with("hosts:9999:2: more than 10000 groups in all\n"));
    let bad = "x y\n".repeat(50_000);
    assert!(errors("hosts", &bad).ends_with("49900 more errors in this file\n"));
}

#[test]
fn yaml_that_is_wrong() {
    let bomb: String = (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))).collect();
    for (text, said) in [
        ("all: {hosts: {a: &x {b: *x}}}\n", "h.yml:1:25: this alias is inside its own anchor\n"),
        ("all: {hosts: {a: {b: !foo x}}}\n", "h.yml:1:22: the tag !foo means nothing to Ansible\n"),
        ("all: {hosts: {1: {}}}\n", "h.yml:1:15: a host's name must be text, and 1 is none\n"),
        ("all: {vars: {1: x}}\n", "h.yml:1:14: a variable's name must be text, and 1 is none\n"),
        ("all: {hosts: {a[1:]: }}\n", "h.yml:1:15: \"a[1:\": the [ is not closed\n"),
        ("all: {hosts: {a: }}\n---\nx: 1\n", "h.yml:2:1: a second document starts here\n"),
        ("all: {hosts: {a: {<<: 1}}}\n", "h.yml:1:23: only maps can be merged\n"),
        (&format!("all:\n  vars: &a0 [x]\n{bomb}"), "alias"),
        (&format!("all: {}", "[".repeat(5000)), "too"),
    ] {
        let got = errors("h.yml", text);
        match said {
            "alias" => assert!(got.contains("more than 200000 values, aliases counted"), "{got}"),
            "too" => assert!(got.lines().count() == 1, "{got}"),
            "h.yml:1:15: \"a[1:\": the [ is not closed\n" => assert!(got.starts_with("h.yml:1:"), "{got}"),
            said => assert_eq!(got, said, "{text}"),
        }
    }
}

#[test]
fn what_is_unwise_is_said() {
    let files = Files::new(&[
        ("hosts.yml", "all:\n  hosts:\n    a: {x: 1, x: 2}\n  foo: bar\nweb: text\nvaulted: {hosts: {a: }}\n"),
        ("group_vars/vaulted.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
    ]);
    let inventory = files.load(&["hosts.yml"]).unwrap();
    assert_eq!(
        files.said(inventory.warnings()),
        "hosts.yml:3:15: the key \"x\" stands here a second time, and the last one counts\n\
         hosts.yml:4:3: \"foo\" is skipped: a group has hosts, children and vars\n\
         hosts.yml:5:1: \"web\" is text, and a group must be a map: Ansible skips it, and so does this\n\
         group_vars/vaulted.yml:1:1: this file is encrypted with ansible-vault\n"
    );
    assert_eq!(inventory.hostvars("a").unwrap()["x"], 2);
}

#[test]
fn what_is_no_inventory_is_refused() {
    assert_eq!(
        errors("list.sh", "#!/bin/sh\necho '{}'\n"),
        "list.sh:1:1: this is an inventory script, and scripts are not run\n"
    );
    assert_eq!(errors("h.toml", "[web]\n"), "h.toml:1:1: Ansible's TOML inventories are not read\n");
    assert_eq!(
        errors("aws_ec2.yml", "plugin: amazon.aws.aws_ec2\n"),
        "aws_ec2.yml:1:1: this is the configuration of the inventory plugin amazon.aws.aws_ec2, and plugins are not run\n"
    );
    let files = Files::new(&[("d/hosts", "[web]\nw1\n"), ("d/broken", "a b c\n"), ("d/group_vars/web.yml", "- a\n")]);
    assert_eq!(
        files.said(&files.load(&["d"]).unwrap_err()),
        "d/broken:1:3: \"b\" is not NAME=VALUE\nd/broken:1:5: \"c\" is not NAME=VALUE\n"
    );
    std::fs::remove_file(files.0.path().join("d/broken")).unwrap();
    assert_eq!(
        files.said(&files.load(&["d"]).unwrap_err()),
        "d/group_vars/web.yml:1:1: a map of variables is expected, and this is a list\n"
    );
}

#[test]
fn a_secret_shows_nowhere() {
    let texts = [
        (
            "hosts",
            "[web]\nweb1 ansible_password=hunter2 port=22 x='y\nweb2 ansible_ssh_pass=hun ter2\n[web:vars]\nansible_become_pass = hunter2\nbad\n",
        ),
        ("a.yml", "all:\n  hosts:\n    a: {ansible_password: hunter2, b: !foo x}\n"),
        ("b.yml", "all: {hosts: {a: [hunter], b: {}}, vars: {db_password: hunter2, 1: x}}\n"),
        ("c.yml", "hosts:\n  a: {become: {password: hunter2}, vars: {api_token: hunter2}, adress: x}\n"),
        ("d.yml", "hosts:\n  a:\n    become:\n      password: \"hunter2\n"),
    ];
    for (name, text) in texts {
        let files = Files::new(&[(name, text)]);
        let all = files.load(&[name]).unwrap_err();
        for e in &all {
            let shown = format!("{e:?}\n{e}\n{}\n{}", e.render(false, 100), e.to_json());
            assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{name}: {shown}");
        }
    }
    let files = Files::new(&[(
        "hosts",
        "web1 ansible_password=hunter2 ansible_become=yes ansible_become_pass=hunter2 db_pass=hunter2 port=x\n",
    )]);
    let inventory = files.load(&["hosts"]).unwrap();
    let host = inventory.host("web1").unwrap();
    let found = inventory.select(&["all".into()]).unwrap();
    assert!(!format!("{inventory:?}{host:?}{found:?}").contains("hunter2"));
    // Where a runbook refuses another value of the line, the line is shown without it.
    let port = host.vars.iter().find(|g| g.name == "port").unwrap();
    let error = Diagnostic::at(port.spot.clone(), "variable-type", "no port");
    assert!(!error.render(false, 100).contains("hunter2"), "{}", error.render(false, 100));
    // Its value is there for a variable of a runbook that is a secret.
    assert_eq!(host.vars.iter().find(|g| g.name == "db_pass").unwrap().value, "hunter2");
}
