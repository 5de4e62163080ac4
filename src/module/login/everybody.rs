//! Nobody was named: what stands in the way of each account, told once where it is the same, and without what is meant so.

use super::judge::Obstacle;
use super::names::several;

/// An account, and what stands in its way.
pub struct Way {
    pub name: String,
    /// Fingerprints of the keys that sshd would look at.
    pub keys: Vec<String>,
    pub obstacles: Vec<Obstacle>,
}

/// What is left to be said.
#[derive(Default)]
pub struct Together {
    pub obstacles: Vec<Obstacle>,
    /// Accounts that somebody keeps out, and how.
    pub kept: Vec<(String, String)>,
}

/// All accounts at once.
pub fn together(ways: &mut Vec<Way>) -> Together {
    let mut out = Together::default();
    if let Some(place) = nobody_there(ways) {
        let own = |o: &Obstacle| o.kind == "policy" && o.text() == "AuthorizedKeysFile";
        ways.iter_mut().for_each(|w| w.obstacles.retain(|o| !own(o)));
        out.obstacles.push(place);
    }
    // Who is kept out on purpose is no fault, as long as there is somebody who is not.
    let meant = |w: &Way| w.obstacles.iter().find(|o| o.meant()).map(|o| o.what.clone());
    if ways.iter().any(|w| meant(w).is_none()) {
        ways.retain(|w| match meant(w) {
            Some(what) => {
                out.kept.push((w.name.clone(), what));
                false
            }
            None => true,
        });
    }
    for way in ways.iter() {
        for o in &way.obstacles {
            if out.obstacles.iter().any(|k| k.kind == o.kind && k.what == o.what) {
                continue;
            }
            let mut o = o.clone().with("user", way.name.clone());
            let shared = ways.iter().filter(|w| w.obstacles.iter().any(|k| k.what == o.what)).count() > 1;
            let named =
                o.what.split(|c: char| !(c.is_ascii_alphanumeric() || "._@+-".contains(c))).any(|w| w == way.name);
            if !shared && !named {
                o.what = format!("{}: {}", way.name, o.what);
            }
            out.obstacles.push(o);
        }
    }
    out
}

/// A line of AuthorizedKeysFile by which nobody gets in, though they have keys: whoever wrote it did not mean that.
fn nobody_there(ways: &[Way]) -> Option<Obstacle> {
    let of = |w: &Way| w.obstacles.iter().find(|o| o.text() == "AuthorizedKeysFile" && o.changes()).cloned();
    let all: Vec<Obstacle> = ways.iter().map(of).collect::<Option<_>>()?;
    let first = all.first()?;
    if all.iter().any(|o| {
        (o.get("file"), o.get("line"), o.get("set")) != (first.get("file"), first.get("line"), first.get("set"))
    }) {
        return None;
    }
    let names: Vec<&str> = ways.iter().map(|w| w.name.as_str()).collect();
    let text = |key: &str| first.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let has = if names.len() == 1 { "account that has a key has it" } else { "accounts that have keys have them" };
    let what = format!(
        "sshd looks for keys {}, and there are none: the {} {has} in ~/.ssh ({})",
        text("at"),
        names.len(),
        several(&names, 5)
    );
    let user = names.first().copied().unwrap_or_default().to_owned();
    let place = Obstacle { kind: "nobody", what, ..first.clone() };
    Some(place.with("user", user))
}
