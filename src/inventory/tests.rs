//! What the sources of a directory come to.

use super::*;

#[allow(dead_code)]
fn load(files: &[(&str, &str)]) -> Result<Inventory, Vec<Diagnostic>> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let first = dir.path().join(files[0].0.split('/').next().unwrap());
    Inventory::load(&[first.display().to_string()])
}
