//! Pages that list what the code knows are made from the code.

#[test]
fn the_reference_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
    let wanted = runbook::report::reference::markdown();
    if std::env::var_os("RUNBOOK_WRITE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference.md is out of date: RUNBOOK_WRITE_DOCS=1 cargo test the_reference_is_current"
    );
}

/// What becomes of each variable of Ansible's connection plugins is on the page as the code has it.
#[test]
fn the_variables_of_connections_are_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/inventory.md");
    let (begin, end) = ("<!-- made from src/inventory/ansible/plugins.rs -->\n", "<!-- end -->");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{begin}{}{end}{after}", runbook::inventory::connection_variables());
    if std::env::var_os("RUNBOOK_WRITE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap();
    assert!(found == wanted, "docs/inventory.md is out of date: RUNBOOK_WRITE_DOCS=1 cargo test docs::");
}

/// Each shipped runbook has its page, and no other has.
#[test]
fn the_pages_are_current() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks");
    let write = std::env::var_os("RUNBOOK_WRITE_DOCS").is_some();
    let names: Vec<&str> = runbook::book::SHIPPED.iter().map(|b| b.name).collect();
    for name in &names {
        let path = format!("{dir}/{name}.md");
        let wanted = runbook::report::page::markdown(&runbook::book::find(name).unwrap());
        if write {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == wanted, "{path} is out of date: RUNBOOK_WRITE_DOCS=1 cargo test the_pages_are_current");
    }
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), names.len(), "a page of a runbook that is gone");
}

/// What the README shows of `examples/try` is what it prints.
#[test]
fn the_readme_shows_what_is_printed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let via = format!("root:{}", root.join("examples/broken-host").display());
    let out = std::process::Command::new(crate::support::bin())
        .args(["plan", "ssh-refused", "-e", "port=22", "--via", &via])
        .output()
        .unwrap();
    let printed = String::from_utf8(out.stdout).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let block = readme.lines().skip_while(|l| !l.starts_with("    the disk at")).skip(1);
    let shown: Vec<&str> = block.take_while(|l| !l.contains("Make these changes?")).collect();
    assert!(shown.len() > 15, "{shown:?}");
    for line in shown.iter().filter_map(|l| l.strip_prefix("    ")).filter(|l| l.trim() != "…") {
        assert!(printed.lines().any(|p| p == line), "the README shows a line that is not printed: {line}\n{printed}");
    }
}

/// What the program reads of its environment has a row.
#[test]
fn every_variable_of_the_environment_is_on_the_page() {
    let page = runbook::report::reference::markdown();
    let mut files = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut names = std::collections::BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().flatten().map(|e| e.path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for call in ["env::var(\"", "env::var_os(\"", "from_env(\""] {
            names.extend(text.split(call).skip(1).filter_map(|t| t.split_once('"')).map(|t| t.0.to_owned()));
        }
    }
    assert!(names.len() > 8, "{names:?}");
    let section = page.split("## Environment").nth(1).unwrap();
    let missing: Vec<_> = names.iter().filter(|n| !section.contains(n.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
