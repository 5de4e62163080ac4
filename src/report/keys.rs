//! The keys of a runbook with what they mean: for the reference page, and for editors (`runbook schema`).

/// Of a runbook.
pub(super) const RUNBOOK: &[(&str, &str)] = &[
    ("name", "what it is called"),
    ("title", "what it is about"),
    ("requires", "the version of runbook that it needs: `\">=0.1\"`"),
    ("answers", "error texts that lead here: regular expressions"),
    ("see", "other runbooks worth a look"),
    (
        "vars",
        "variables: `NAME: {type, default, optional, help, values, from}`; types string, int, bool, port, ip, path, user, public_key, duration, enum, list, secret (which takes `from`)",
    ),
    (
        "verify",
        "proofs, from the controller, over new connections, once nothing is left to change (in a plan, too): a list of modules",
    ),
    ("handlers", "what is done once after a round's edits: `id`, `validate`, and one module"),
    (
        "steps",
        "the steps, judged and made in order; one that waits for an earlier change is judged in the next round, and those after it that do not wait (`needs`) go ahead; `include: FILE` splices in those of another file",
    ),
];

/// Of a step.
pub(super) const STEP: &[(&str, &str)] = &[
    ("name", "what is right when the step is ok: a sentence"),
    ("id", "for `needs`, and `steps.ID` in expressions"),
    ("why", "why it matters"),
    ("where", "`target` (default) or `controller`: where it looks from, and where its commands run"),
    ("when", "an expression: whether the step applies at all"),
    (
        "otherwise",
        "`true`: it applies only where nothing before it explains what was seen: a fault that is left to a person, or a change that may heal a symptom; what could not be looked at may be one",
    ),
    ("check", "what is looked at: a module"),
    ("condition", "an expression: true is the fault; `not check.ok` unless given"),
    ("finding", "a template: what is wrong, in a sentence; the check's evidence unless given"),
    ("note", "a template: what a person should know although the step is ok; nothing is said where it is empty"),
    ("remediation", "what is done about it: a list of modules"),
    ("ensure", "short for check X, condition \"not check.ok\", remediation X"),
    (
        "manual",
        "what only a person can do: a text, or `{text, link, asks, choices}`; a line that begins with four blanks is a command to paste; `asks` is a variable that decides it, asked at a terminal, and `choices` an expression that gives its values",
    ),
    ("notify", "handlers to run after the round's edits"),
    ("needs", "steps that must be ok, or be about to be repaired"),
    ("loop", "an expression that gives a list: the step is done for each `item`; `steps.ID` is then a list"),
    ("tags", "for `--tags` and `--skip-tags`"),
    ("timeout", "after which a check is unknown; 30s"),
    ("within", "how long a repair may take to show; 10s"),
    ("retries", "`{times, delay}`: a command check that fails is tried again"),
    (
        "reads",
        "what a check depends on, if the module cannot know: `file:/etc/ssh/**`, `unit:ssh`, `socket:*`, `rules`, `cloud`, `package:NAME`",
    ),
    ("risk", "`connectivity`: it could lock you out"),
];

/// Of a handler.
pub(super) const HANDLER: &[(&str, &str)] = &[
    ("id", "for `notify`"),
    ("validate", "a module that must hold of all new files together before anything is written"),
];

/// Of a variable.
pub(super) const VARIABLE: &[(&str, &str)] = &[
    ("type", "what it may hold"),
    ("default", "its value where nobody gives one"),
    ("optional", "`true`: it may have no value at all"),
    ("help", "for whoever is asked for it"),
    ("values", "the words of an enum"),
    ("from", "of a secret: `{env: NAME}`, `{file: PATH}`, `{command: COMMAND}` or `prompt`"),
];
