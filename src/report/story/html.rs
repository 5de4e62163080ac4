//! For a postmortem: one page, with nothing else needed to read it, neither a network nor scripts.

use std::fmt::Write as _;

use super::{Moment, Story, way};

/// The page.
#[must_use]
pub fn page(s: &Story) -> String {
    let title = text(&s.title);
    let mood = match s.exit {
        Some(0) => "good",
        _ => "bad",
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p class=\"result {mood}\">{}</p>\n<dl>\n",
        text(&s.target),
        text(&sentence(&s.ended)),
    );
    for (name, value) in [
        ("Host", text(&s.target)),
        ("When", text(&s.at)),
        ("Runbook", format!("{} <code>{}</code>", text(&s.runbook.0), text(&s.runbook.1))),
        ("Run", format!("<code>{}</code>", text(&s.id))),
    ] {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n</header>\n<main>\n");
    if !s.findings.is_empty() {
        out.push_str("<section>\n<h2>What was wrong</h2>\n<ul>\n");
        s.findings.iter().for_each(|f| out += &format!("<li>{}</li>\n", text(f)));
        out.push_str("</ul>\n</section>\n");
    }
    if !s.changes.is_empty() {
        out.push_str("<section>\n<h2>What was done</h2>\n<ol class=\"changes\">\n");
        for c in &s.changes {
            let mood = if c.done { "good" } else { "bad" };
            let _ = writeln!(
                out,
                "<li><p><strong>{}</strong> <span class=\"{mood}\">{}</span></p>",
                text(&c.title),
                text(&c.end)
            );
            let _ = writeln!(out, "<p class=\"dim\">for: {}</p>", text(&c.step));
            if let Some(d) = &c.diff {
                let _ = writeln!(out, "<pre>{}</pre>", diff(d));
            }
            out.push_str("</li>\n");
        }
        out.push_str("</ol>\n</section>\n");
    }
    if !s.left.is_empty() {
        out.push_str("<section>\n<h2>What is left</h2>\n<ul>\n");
        for left in &s.left {
            let _ = writeln!(out, "<li><span class=\"way\">{}</span> {}", left.why, text(&left.finding));
            if let Some(m) = &left.manual {
                let _ = writeln!(out, "<p>{}</p>", text(m));
            }
            out.push_str("</li>\n");
        }
        out.push_str("</ul>\n</section>\n");
    }
    if !s.steps.is_empty() {
        out.push_str("<section>\n<h2>The way through the runbook</h2>\n<ol class=\"flow\">\n");
        for step in &s.steps {
            let way = way(step);
            let class = match way {
                "ok" => "ok",
                "repaired" | "well by now" => "repaired",
                "unknown" | "not needed" => "dim",
                _ => "open",
            };
            let _ = writeln!(out, "<li class=\"{class}\"><p><span class=\"way\">{way}</span> {}</p>", text(&step.name));
            for e in &step.evidence {
                let _ = writeln!(out, "<p class=\"dim\">{}</p>", text(e));
            }
            out.push_str("</li>\n");
        }
        out.push_str("</ol>\n</section>\n");
    }
    out.push_str("<section>\n<h2>Timeline</h2>\n<table>\n");
    let mut day = "";
    for m in &s.moments {
        out += &row(m, &mut day);
    }
    out += "</table>\n</section>\n";
    if s.undoable {
        let id = text(&s.id);
        let _ = write!(out, "<section>\n<h2>To take it back</h2>\n<pre>runbook undo {id}</pre>\n</section>\n");
    }
    out + "</main>\n</body>\n</html>\n"
}

/// A moment; its day stands alone where another one begins.
fn row<'m>(m: &'m Moment, day: &mut &'m str) -> String {
    let (date, time) = m.at.split_once(' ').unwrap_or(("", &m.at));
    let mut out = String::new();
    if date != *day {
        *day = date;
        let _ = writeln!(out, "<tr><th colspan=\"2\">{}</th></tr>", text(date));
    }
    let _ =
        writeln!(out, "<tr class=\"{}\"><td><time>{}</time></td><td>{}</td></tr>", m.mood, text(time), text(&m.what));
    out
}

fn diff(d: &str) -> String {
    let line = |l: &str| {
        let class = match l.as_bytes().first() {
            Some(b'+') => "add",
            Some(b'-') => "del",
            Some(b'@') => "at",
            _ => return text(l) + "\n",
        };
        format!("<span class=\"{class}\">{}</span>\n", text(l))
    };
    d.lines().map(line).collect()
}

fn sentence(t: &str) -> String {
    let mut c = t.chars();
    c.next().map_or_else(String::new, |first| first.to_uppercase().chain(c).collect())
}

fn text(t: &str) -> String {
    t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d8dee4;--good:#1a7f37;--bad:#b3261e;--fill:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--paper:#0d1117;--line:#30363d;--good:#3fb950;--bad:#ff7b72;--fill:#161b22}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1.15rem;margin:2.25rem 0 .75rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
p{margin:.25rem 0}ul,ol{padding-left:1.4rem}li{margin:.4rem 0}
.result{font-size:1.1rem;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}.dim{color:var(--dim)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.75rem 1.5rem;margin:1rem 0 0}
dt{color:var(--dim);font-size:.85rem}dd{margin:0}
code,pre,time{font:.88em/1.45 ui-monospace,monospace}
pre{background:var(--fill);border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;overflow-x:auto;overflow-wrap:normal}
.add{color:var(--good)}.del{color:var(--bad)}.at{color:var(--dim)}
.flow{list-style:none;padding:0 0 0 1.1rem;border-left:2px solid var(--line)}
.flow li{position:relative;margin:.7rem 0}
.flow li::before{content:'';position:absolute;left:-1.58rem;top:.45rem;width:.7rem;height:.7rem;border-radius:50%;background:var(--paper);border:2px solid var(--dim)}
.flow .ok::before{border-color:var(--good)}.flow .repaired::before{background:var(--good);border-color:var(--good)}
.flow .open::before{background:var(--bad);border-color:var(--bad)}
.way{font-size:.8rem;border:1px solid var(--line);border-radius:1em;padding:.05em .6em;margin-right:.3em;color:var(--dim);white-space:nowrap}
table{border-collapse:collapse;width:100%}
th{text-align:left;padding:.4rem 0;color:var(--dim);font-weight:600}
td{padding:.2rem .8rem .2rem 0;vertical-align:top}td:first-child{white-space:nowrap;color:var(--dim);width:1%}
tr.good td:last-child{color:var(--good)}tr.bad td:last-child{color:var(--bad)}
@media print{body{max-width:none;padding:0}}
";
