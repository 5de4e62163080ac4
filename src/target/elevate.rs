//! `become`: a script as root, over a login that is not, on any channel.
//!
//! The script goes into a private directory, and `sudo`, `doas` or `su` is asked to run it from there. A password
//! travels inside the script that the channel carries, never as an argument: the shell itself hands it on in a
//! here-document (printf is a program in some shells, and `ps` shows a program's arguments). What must have a terminal (doas(1) always; sudo where sudoers(5) says `requiretty`) gets one by script(1),
//! and the password only after its prompt, by when echo is off.

use crate::channel::{ChannelError, Password};
use crate::payload::sh_quote;

/// How to become root.
#[derive(Debug, Clone, Default)]
pub struct Become {
    /// `None`: the first of the three that is there.
    pub method: Option<Method>,
    /// What it asks for, if it asks.
    pub password: Option<Password>,
}

/// The program that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// sudo(8)
    Sudo,
    /// doas(1)
    Doas,
    /// su(1)
    Su,
}

impl Method {
    /// All, in the order in which they are tried.
    pub const ALL: [(&'static str, Self); 3] = [("sudo", Self::Sudo), ("doas", Self::Doas), ("su", Self::Su)];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|m| m.0 == name).map(|m| m.1)
    }
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|m| m.1 == self).map_or("", |m| m.0)
    }
}

/// The sh around a script. `@N@` is a nonce, `@M@` the methods, `@W@` the password or nothing.
///
/// In the private directory `$_d`: `s` the script, `r` what runs it as root, `b` says that it began, `o` and `e` its
/// output, `m` what the program itself said.
const WRAP: &str = r#"
{
    umask 077
    _w=@W@ LC_ALL=C
    export LC_ALL
    for _d in /dev/shm /run /tmp; do
        _d=$_d/.rb@N@-e
        mkdir -m 700 $_d 2>/dev/null && break
        _d=
    done
    _no() {
        echo "=@N@=become $1" >&2
        exit 1
    }
    [ "$_d" ] || _no "/dev/shm, /run and /tmp cannot be written to or are full"
    # Where a shell keeps here-documents in files.
    TMPDIR=$_d
    trap 'rm -rf $_d' 0
    trap 'exit 1' HUP INT TERM PIPE
    cat >$_d/s <<'@N@' || _no "there is no room for the script"
@S@
@N@
    # Made by the user, so that he may read them.
    : >$_d/o >$_d/e
    echo ": >$_d/b; exec sh $_d/s </dev/null >$_d/o 2>$_d/e" >$_d/r
    # On a terminal of its own: the password once it is asked for.
    _tty() {
        command -v script >/dev/null || return
        rm -f $_d/f
        mkfifo $_d/f
        script -qec "$1" /dev/null <$_d/f >>$_d/m 2>&1 &
        _p=$!
        exec 3>$_d/f
        _i=0
        while [ "$_w" ] && [ $_i -lt 100 ] && kill -0 $_p 2>/dev/null && [ ! -e $_d/b ]; do
            if tail -n 1 $_d/m | grep -qi 'assword[^:]*: *$'; then
                cat >&3 <<_W
$_w
_W
                break
            fi
            sleep 0.1 2>/dev/null || sleep 1
            _i=$((_i + 1))
        done
        # A second prompt gets an end of file.
        exec 3>&-
        wait $_p
    }
    if [ "$(id -u)" = 0 ]; then
        sh $_d/r
    else
        for _m in @M@; do command -v $_m >/dev/null && break; _m=; done
        [ "$_m" ] || _no "none of these is there: @M@"
        : >$_d/m
        case $_m in
        sudo)
            if [ "$_w" ]; then
                sudo -k -S -p 'password: ' sh $_d/r >$_d/m 2>&1 <<_W
$_w
_W
            else
                sudo -n sh $_d/r >$_d/m 2>&1
            fi
            if [ ! -e $_d/b ] && grep -q 'a tty\|a terminal' $_d/m; then
                if [ "$_w" ]; then _tty "sudo -k -p 'password: ' sh $_d/r"; else _tty "sudo -n sh $_d/r"; fi
            fi
            ;;
        doas)
            if [ "$_w" ]; then _tty "doas sh $_d/r"; else doas -n sh $_d/r >$_d/m 2>&1; fi
            ;;
        su)
            su root -c "sh $_d/r" >$_d/m 2>&1 <<_W
$_w
_W
            [ -e $_d/b ] || ! grep -q terminal $_d/m || _tty "su root -c 'sh $_d/r'"
            ;;
        esac
    fi
    _r=$?
    [ -e $_d/b ] || _no "$_m: $(tr -d '\r' <$_d/m | sed "s/^[^:]*assword[^:]*: *//; s/^$_m: //" | grep . | tail -n 1)"
    cat $_d/o
    cat $_d/e >&2
    exit $_r
}
"#;

impl Become {
    /// The script that runs a script as root.
    pub(super) fn wrap(&self, nonce: &str, script: &str) -> Result<String, ChannelError> {
        let methods = match self.method {
            Some(m) => m.name().to_owned(),
            None => Method::ALL.map(|m| m.0).join(" "),
        };
        let password = self.password.as_ref().map_or("", |p| p.0.as_str());
        let nul = || ChannelError::refused("the password holds a NUL or a newline, which nobody can type");
        if password.contains('\n') {
            return Err(nul());
        }
        let password = sh_quote(password).ok_or_else(nul)?;
        let around = super::squeeze(WRAP).replace("@M@", &methods).replace("@N@", nonce);
        // The two that may hold anything come last, in one pass.
        let (head, tail) = around.split_once("@W@").unwrap_or((&around, ""));
        let (middle, tail) = tail.split_once("@S@").unwrap_or((tail, ""));
        Ok([head, &password, middle, script, tail].concat())
    }

    /// Why it was not run, if that is what came back.
    pub(super) fn refused(&self, nonce: &str, stderr: &[u8]) -> Option<ChannelError> {
        let text = String::from_utf8_lossy(stderr);
        let mark = format!("={nonce}=become ");
        let said = text.lines().find_map(|l| l.strip_prefix(&mark)).map(str::trim)?;
        // It can only have been echoed by something odd; it is not repeated.
        let said = match &self.password {
            Some(p) if !p.0.is_empty() => said.replace(&p.0, "…"),
            _ => said.to_owned(),
        };
        let hint = if said.starts_with("none of these") {
            "log in as root, or use a channel that gives root"
        } else if self.password.is_some() {
            "is it the right password, and is this user allowed to? (sudo -l there)"
        } else {
            "-K asks for the password, RUNBOOK_BECOME_PASSWORD gives it"
        };
        Some(ChannelError::refused(format!("we cannot become root there: {said}")).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_quoted_word_and_a_script_is_verbatim() {
        let b = Become { method: Some(Method::Sudo), password: Some(Password("it's @S@ $x".into())) };
        let sh = b.wrap("bcdfghjk", "echo @W@\n").unwrap();
        assert!(sh.contains(r"_w='it'\''s @S@ $x' LC_ALL=C"), "{sh}");
        assert!(sh.contains("\necho @W@\n\nbcdfghjk\n"), "{sh}");
        // In some shells printf and echo are programs: no word of a command may be the password.
        let words = sh.replace("[ \"$_w\" ]", "");
        assert_eq!(words.lines().filter(|l| l.contains("$_w")).collect::<Vec<_>>(), ["$_w"; 3]);
        assert!(Become { password: Some(Password("a\nb".into())), ..b.clone() }.wrap("x", "").is_err());
        let e = b.refused("n", b"noise\n=n=become sudo: it's @S@ $x is wrong\n").unwrap();
        assert_eq!(e.why, "we cannot become root there: sudo: … is wrong");
        assert!(b.refused("n", b"other").is_none());
    }
}
