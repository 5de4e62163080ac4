//! The text that runs on the target while a console is in use, and what it says. Any POSIX `sh` runs it.
//!
//! It comes in two stages. [`starter`] is one line, typed at whatever prompt there is: it turns the echo off and collects
//! lines as data; those are evaluated only once their checksum is right. So come the [`fragments`], each idempotent: they
//! are the receiver, which then reads commands (see [`super::session`]).
//!
//! A checksum is the first word that `cksum` says, or `sha256sum` where there is no cksum (some busyboxes).
//!
//! One-letter names: `s` the terminal's settings, `K` the marker, `D_` the private directory, `n` the last command, `i` the
//! upload, `b` its bytes so far, `j` the job, `Q` what else to put back at the end, `E` and `F` the en- and decoder, `U` the umask,
//! `c` the data collected. Files in `$D_`: `u` upload, `f` script, `o` `e` its output, `p` its process, `d` how it ended, `b`
//! the encoded answer, `a` the same with markers and numbers, `w` the last command, for the watchdog.

use sha2::Digest;

/// Which checksum the target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Cksum,
    Sha256,
}

impl Sum {
    /// Told from the checksum of nothing.
    pub fn of_nothing(said: &str) -> Option<Self> {
        [Self::Cksum, Self::Sha256].into_iter().find(|s| s.of(b"") == said)
    }
    pub fn of(self, bytes: &[u8]) -> String {
        match self {
            Self::Cksum => crate::payload::cksum(bytes).to_string(),
            Self::Sha256 => sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}

/// A marker, in two halves that are together only in what the target says.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    pub left: String,
    pub right: String,
}

impl Marker {
    pub fn new() -> Self {
        let letters = crate::payload::nonce();
        Self { left: letters[..3].to_owned(), right: letters[3..6].to_owned() }
    }
    pub fn whole(&self) -> String {
        format!("{}{}", self.left, self.right)
    }
}

/// The line that is typed at a prompt. Short enough for a terminal of 255 columns' canonical mode; no backslash, no
/// exclamation mark, no newline: any shell takes it as it is.
pub(super) fn starter(m: &Marker) -> String {
    let (left, right) = (&m.left, &m.right);
    format!(
        " sh -c 's=`stty -g`;trap \"stty $s;exit\" 0 2;stty -echo eof ^-;k(){{ set -- `cksum||sha256sum`;echo $1;}};\
         while x=`printf %s \"$c\"|k`;[ :$x = \"$l\" ]&&eval \"$c\";c=;echo {left}\"{right} $x $l\";\
         do while IFS= read -r l||exit;[ \"${{l#:}}\" = \"$l\" ];do c=$c${{l#?}};done;done'"
    )
}

/// The receiver, in fragments that are each verified and evaluated on their own. The last one does not return.
pub(super) fn fragments(m: &Marker, watch: u64) -> Vec<String> {
    let (left, right) = (&m.left, &m.right);
    vec![
        format!(
            "U=${{U:-`umask`}};umask 077;LC_ALL=C;TERM=dumb;export LC_ALL TERM;K={left};K=${{K}}{right};n=0;i=0;b=0;j=0;e=0;Q=:;P=;Y=;\
             E=cat;F=cat;N=`printf \"\\nx\"`;N=${{N%x}};S=;D_=;command -v setsid >/dev/null&&S=setsid"
        ),
        // m: a message. t: how things stand. h: what this is.
        "m(){ set -- \"$*\" `printf %s \"$*\"|k`;echo \"$K$2 $1\";};\
         t(){ z=-;[ -s $D_/d ]&&read -r z<$D_/d;m $n $i $b $j $z;};\
         h(){ z=;for y in base64 openssl uuencode uudecode gzip od hexdump;do command -v $y >/dev/null&&z=$z,$y;done;\
         y=;read -r y</proc/sys/kernel/random/boot_id;m $n H `id -u` ${y:-?} ${D_:+d}$z;}"
            .to_owned(),
        // X: ends the job. q: puts all back, and ends; a script outlives it, nobody is told how it ended.
        "X(){ z=;[ -s $D_/p ]&&read -r z<$D_/p&&kill -9 ${S:+-}$z;};\
         q(){ trap '' 1 15;kill $W;[ -s $D_/d ]||kill $Y;eval \"$Q\";rm -rf $D_;stty $s;eval \"$P\";exit;}"
            .to_owned(),
        // g: encodes the answer and tells. r: runs the script, once what was decoded has that checksum.
        "g(){ cat $D_/o $D_/e|eval \"$E\">$D_/b;y=;read -r y<$D_/b;\
         set -- `wc -c<$D_/o;wc -c<$D_/e;wc -l<$D_/b;k<$D_/b`;grep -n '' $D_/b|sed \"s/^/$K/\">$D_/a;\
         echo $x $* ${#y}>$D_/g;mv $D_/g $D_/d;t;};\
         r(){ rm -f $D_/d $D_/p;(eval \"$F\">$D_/f<$D_/u;[ \"`k<$D_/f`\" = $1 ]||{ echo X>$D_/d;t;exit;};umask $U;\
         $S sh $D_/f</dev/null>$D_/o 2>$D_/e&p=$!;echo $p>$D_/p;wait $p;x=$?;rm -f $D_/p;g)&Y=$!;}"
            .to_owned(),
        // v: one command, whose checksum is right.
        "v(){ n=$1;echo $n>$D_/w;case $2 in S)t;;H)h;;\
         B)[ $3 = $i ]||{ i=$3;b=0;:>$D_/u;};\
         [ $4 = $b ]&&[ \"`printf %s \"$c\"|k`\" = $5 ]&&printf %s \"$c\">>$D_/u&&b=$((b+$6));c=;t;;\
         R)[ $3 = $j ]||{ [ $3 = $i ]&&j=$3&&r $4;};t;;\
         G)sed -n \"$3\" $D_/a;t;;C)m $n C `sed -n \"$3\" $D_/b|k`;;\
         W)[ -s $D_/d ]&&read -r x z<$D_/d&&g;;X)X;t;;Q)m $n Q;P=;q;;esac;}"
            .to_owned(),
        // u: the watchdog.
        format!(
            "u(){{ trap 'kill $z;exit' 15;v=;y=0;while :;do sleep {watch}&z=$!;wait $z;read -r x<$D_/w;\
             if [ \"$x\" = \"$v\" ]&&[ ! -e $D_/p ];then y=$((y+1));else y=0;fi;v=$x;\
             kill -0 $$||{{ eval \"$Q\";rm -rf $D_;eval \"$P\";exit;}};[ $y -lt 5 ]||kill $$;done;}};"
        ),
        format!(
            "trap q 1 15;trap '' 2;stty -echo -isig -ixon eof ^-;exec 2>/dev/null;\
             for D_ in /dev/shm /run /tmp /;do D_=$D_/.runbook-$K;mkdir $D_&&break;D_=;done;h;[ $D_ ]||exit;\
             u >/dev/null&W=$!;c=;\
             while :;do IFS= read -r l||{{ e=$((e+1));[ $e -lt 99 ]||{{ q;exit;}};continue;}};e=0;case $l in \
             '')echo '{}; to end it type .q and press Enter';;.q)q;exit;;\
             \"#:\"*)x=`printf %s \"${{l#??* }}\"|k`;case $l in \"#:$x \"*)set -f;set -- ${{l#??* }};set +f;\
             case $2 in V)n=$1;eval \"${{l#*V }}\";t;;*)v \"$@\";esac;esac;;\
             *)c=$c$l$N;esac;done",
            super::prompt::NOTICE
        ),
    ]
}

/// The longest line sent, with its newline.
const LINE: usize = 200;

/// A fragment as lines of data; the last one states its checksum. At a shell's prompt, should it come to that, all of them
/// are comments.
pub(super) fn fragment_lines(fragment: &str, sum: Sum) -> String {
    let mut out = String::new();
    let mut rest = fragment;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE - 2));
        out.push('#');
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push(':');
    out.push_str(&sum.of(fragment.as_bytes()));
    out.push('\n');
    out
}

/// A line of the target that is ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A message whose checksum is right: its words.
    Message(Vec<String>),
    /// A line of the answer: its number, from 1, and its text, not verified yet.
    Line(usize, String),
}

/// All that is ours in one line that came. Anything may stand around it; what is damaged is not ours.
pub(super) fn said(line: &str, marker: &str, sum: Sum) -> Vec<Said> {
    let parts = line.split(marker).skip(1);
    parts.filter_map(|p| message(p, sum).or_else(|| data(p))).collect()
}

fn message(part: &str, sum: Sum) -> Option<Said> {
    let (stated, text) = part.trim_end_matches(['\r', '\n']).split_once(' ')?;
    (sum.of(text.as_bytes()) == stated).then(|| Said::Message(text.split(' ').map(str::to_owned).collect()))
}

fn data(part: &str) -> Option<Said> {
    let (number, text) = part.trim_end_matches('\r').split_once(':')?;
    let number: usize = number.parse().ok()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    (number > 0 && !text.is_empty() && text.bytes().all(fits)).then(|| Said::Line(number, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_tools_own() {
        assert_eq!(Sum::Cksum.of(b""), "4294967295");
        assert_eq!(Sum::Cksum.of(b"a"), "1220704766");
        assert_eq!(Sum::of_nothing("4294967295"), Some(Sum::Cksum));
        assert_eq!(Sum::of_nothing(&Sum::Sha256.of(b"")), Some(Sum::Sha256));
        assert_eq!(Sum::of_nothing("0"), None);
    }

    #[test]
    fn lines_are_short_and_an_echo_holds_no_marker() {
        let m = Marker::new();
        let starter = starter(&m);
        assert!(starter.len() < 254, "{}", starter.len());
        assert!(!starter.contains(['\\', '!', '\n']) && starter.matches('\'').count() == 2);
        let all: String = fragments(&m, 60).iter().map(|f| fragment_lines(f, Sum::Cksum)).collect();
        assert!(!all.contains(&m.whole()) && !starter.contains(&m.whole()));
        for line in all.lines() {
            assert!(!line.is_empty() && line.len() <= LINE);
            assert!(line.starts_with('#') || line[1..].bytes().all(|b| b.is_ascii_digit()), "{line}");
        }
        assert!(all.len() < 4000, "what is brought over 9600 baud first: {} bytes", all.len());
    }

    #[test]
    fn what_is_ours_is_found_in_noise() {
        let text = "7 0 0 0 -";
        let line = format!("[ 1.2] usb abcdef{} {text}", Sum::Cksum.of(text.as_bytes()));
        let words = text.split(' ').map(str::to_owned).collect();
        assert_eq!(said(&line, "abcdef", Sum::Cksum), [Said::Message(words)]);
        assert_eq!(said("x abcdef12:QUJD\r", "abcdef", Sum::Cksum), [Said::Line(12, "QUJD".to_owned())]);
        for noise in ["abcdef", "abcdef1 2", "abcdef0:A", "abcdef1:", "abcdef1:A[ 1.0] x", "abcd[ 1.0]ef1:A"] {
            assert_eq!(said(noise, "abcdef", Sum::Cksum), [], "{noise}");
        }
    }
}
