//! The runbooks inside the binary, and what a RUNBOOK argument means.

use std::path::Path;

use include_dir::{Dir, include_dir};

use super::{Diagnostic, Runbook, load, load_text};

static DIR: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");

/// A runbook inside the binary.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Its name: the file's, without `.yaml`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them, by name. (Steps to be included are in folders, and are no runbooks.)
pub static SHIPPED: std::sync::LazyLock<Vec<Shipped>> = std::sync::LazyLock::new(|| {
    let mut out: Vec<Shipped> = DIR
        .files()
        .filter_map(|f| {
            let name = f.path().to_str()?.strip_suffix(".yaml")?;
            Some(Shipped { name, text: f.contents_utf8()? })
        })
        .collect();
    out.sort_by_key(|s| s.name);
    out
});

/// The text of a file inside the binary.
pub(super) fn text(path: &str) -> Option<&'static str> {
    DIR.get_file(path)?.contents_utf8()
}

/// What the user named: a path, or a shipped runbook. A name that could be both is an error that names both.
pub fn find(name: &str) -> Result<Runbook, Vec<Diagnostic>> {
    let path = Path::new(name);
    let stem = name.strip_suffix(".yaml").unwrap_or(name);
    let shipped = SHIPPED.iter().find(|s| s.name == stem);
    let bare = !name.contains('/') && !name.ends_with(".yaml") && !name.ends_with(".yml");
    match (shipped, path.is_file()) {
        (Some(_), true) if bare => Err(vec![
            Diagnostic::new(
                "ambiguous",
                format!("\"{name}\" is a file here and a runbook that comes with the program"),
            )
            .hint(format!("write ./{name} for the file, or call this from another folder")),
        ]),
        (Some(s), false) if !name.contains('/') => load_text(&format!("{}.yaml", s.name), s.text),
        (None, false) if bare => {
            let here =
                ["yaml", "yml"].map(|end| format!("./{name}.{end}")).into_iter().find(|f| Path::new(f).is_file());
            let near = || {
                super::did_you_mean(name, SHIPPED.iter().map(|s| s.name)).map_or_else(
                    || "runbook list shows what there is".into(),
                    |near| format!("did you mean \"{near}\"?"),
                )
            };
            let hint = here.map_or_else(near, |file| format!("the file is {file}"));
            let message = format!("no runbook \"{name}\", and no file of that name");
            Err(vec![Diagnostic::new("unknown-runbook", message).hint(hint)])
        }
        _ => load(path),
    }
}
