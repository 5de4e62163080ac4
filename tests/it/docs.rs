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
