//! The reference page, from the code itself: `docs/reference.md` is this text, and a test fails when it is not.

use std::fmt::Write;

use super::{keys, manual};
use crate::apply::exit;
use crate::channel::{PRESETS, SCHEMES};
use crate::facts;
use crate::module::BUILTIN;

/// The whole page, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let rows = |keys: &[(&str, &str)]| keys.iter().map(|(k, help)| format!("| `{k}` | {help} |\n")).collect::<String>();
    let mut out = HEAD.replace("@RUNBOOK@", &rows(keys::RUNBOOK)).replace("@STEP@", &rows(keys::STEP));
    out.push_str("\n## Modules\n\nEvery result has `ok`, `status` (`ok` or `fault`) and `evidence`, beside its own fields. A look that cannot be made (no answer in time, no tool, no privilege) makes its step `unknown`: never a fault, and nothing is repaired on a guess.\n");
    for m in BUILTIN {
        let s = m.spec();
        let _ = write!(out, "\n### {}\n\n{}\n", s.name, s.summary);
        if let Some(first) = s.scalar {
            let _ = write!(out, "\n`{}: VALUE` is short for `{}: {{{first}: VALUE}}`.\n", s.name, s.name);
        }
        out.push_str("\n| parameter | type | meaning |\n| --- | --- | --- |\n");
        for p in s.params {
            let needed = if p.required { " (required)" } else { "" };
            let _ = writeln!(out, "| `{}` | {} | {}{needed} |", p.name, p.ty.doc(), p.help);
        }
        let rules: Vec<String> = m.rules().iter().map(ToString::to_string).collect();
        if !rules.is_empty() {
            let _ = writeln!(out, "\nWhat goes together: {}.", rules.join("; "));
        }
        out.push_str("\n| field | meaning |\n| --- | --- |\n");
        for f in s.fields {
            let _ = writeln!(out, "| `{}` | {} |", f.name, f.help);
        }
        let reads = if s.reads.is_empty() { "nothing on the target" } else { s.reads };
        let writes = if s.writes.is_empty() { "nothing" } else { s.writes };
        let _ = writeln!(out, "\nReads {reads}; writes {writes}.");
    }
    out.push_str(CUSTOM);
    out.push_str("\n## Facts\n\n| name | meaning |\n| --- | --- |\n");
    for (name, help) in facts::FIELDS {
        let _ = writeln!(out, "| `facts.{name}` | {help} |");
    }
    out.push_str("\n## Channels\n\n| `--via` | what it is |\n| --- | --- |\n");
    for s in SCHEMES {
        let _ = writeln!(out, "| `{}:{}` | {} |", s.name, s.rest, s.help);
    }
    out.push_str(&manual::ssh_keys());
    out.push_str("\nPresets stand for one of these:\n\n| preset | stands for | run against the real thing |\n| --- | --- | --- |\n");
    for p in PRESETS {
        let tested = if p.tested { "yes" } else { "**untested**" };
        let _ = writeln!(out, "| `{}:{}` | `{}` | {tested} |", p.name, p.rest, p.url);
    }
    out.push_str(INVENTORY);
    out.push_str("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (code, meaning) in exit::ALL {
        let _ = writeln!(out, "| {code} | {meaning} |");
    }
    out.push_str(&manual::commands());
    out.push_str(&manual::output());
    out
}

const HEAD: &str = "# Reference

This page is made from the code (`src/report/reference.rs`); a test fails when it is out of date.

## A runbook

| key | meaning |
| --- | --- |
@RUNBOOK@
## A step

| key | meaning |
| --- | --- |
@STEP@
`when`, `condition` and `loop` are bare expressions; everywhere else `{{ … }}` is a template. A value that is exactly one
`{{ … }}` keeps its type; a parameter that is exactly one variable without a value is left out. In scope: the variables,
`facts`, `target` (`name`, `address`, `port`, `channel`, `live`), `check`, `steps.ID`, `item`. The language is Jinja's, as
minijinja speaks it.

A step with a check and no repair is a **symptom** when a change of the plan may heal it: it is looked at again after the
change, and fails only if it is still there.

How a step can stand: see [What is printed](#what-is-printed).
";

const CUSTOM: &str = "
### Your own

A file `modules/NAME` beside the runbook is the module `NAME`. It decides, the engine acts, so that diffs, journal and
undo hold for it too.

- `modules/NAME` is an executable for the controller, in any language. It reads `{\"params\": …, \"facts\": …, \"probe\": …}`
  on stdin and prints `{\"ok\": …, \"evidence\": …, \"changes\": […]}`; other keys become fields of `check`. If
  `modules/NAME.probe.sh` is there, that POSIX sh runs on the target first (it must only read), and `probe` is
  `{\"rc\", \"stdout\", \"stderr\"}`.
- `modules/NAME.sh` is POSIX sh that runs on the target itself (it must only read) and prints the same answer.

In sh, parameters are environment variables `PARAM_name`. A change is one of

```json
{\"file\": {\"path\": \"/etc/x\", \"content\": \"…\", \"mode\": \"0644\", \"state\": \"file\"}}
{\"unit\": {\"name\": \"x.service\", \"verb\": \"restart\"}}
{\"command\": {\"sh\": \"…\", \"undo\": \"…\"}}
```
";

const INVENTORY: &str = "
Several channels are tried in order; the first one that answers is used. On a mounted disk (`root:`) nothing runs:
services are enabled by links, live checks are skipped, commands run in a chroot where that works.

An inventory (`-i FILE`) keeps them:

```yaml
hosts:
  web1:
    address: 203.0.113.50          # where it is probed from outside
    vars: {port: 22}
    channels:
      - exec: docker exec -i web1 sh
groups: {web: {hosts: [web1], vars: {port: 22}}}
```

Variables: `-e K=V` and `-e @file.yaml` win over the host's, these over its groups', these over the runbook's defaults.
";
