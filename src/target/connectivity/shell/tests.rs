use super::*;

fn words(sh: &str) -> Vec<Vec<String>> {
    read_script(sh).commands.into_iter().map(|c| c.words).collect()
}

#[test]
fn commands_are_told_apart() {
    assert_eq!(words("a b && c 'd e' | f \"g h\"; i"), [vec!["a", "b"], vec!["c", "d e"], vec!["f", "g h"], vec!["i"]]);
    assert_eq!(words("a $(b c) \"x $(d e)\" # f"), [vec!["b", "c"], vec!["d", "e"], vec!["a", "$()", "x $(d e)"]]);
    assert_eq!(words("a $(b | (c)) d `e`"), [vec!["b"], vec!["c"], vec!["e"], vec!["a", "$()", "d", "$()"]]);
    assert_eq!(words("a $(b | (c)) d `e`"), [vec!["b"], vec!["c"], vec!["e"], vec!["a", "$()", "d", "$()"]]);
    assert_eq!(words("a \\\n b\nc"), [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn redirections_are_no_words() {
    let Script { commands, background, .. } = read_script("echo x >/etc/a 2>&1 </dev/null >>b &>c");
    assert!(!background);
    assert_eq!(
        commands,
        [SimpleCommand {
            words: vec!["echo".into(), "x".into()],
            written: vec!["/etc/a".into(), "b".into(), "c".into()],
        }]
    );
    assert!(read_script("(sleep 1; x) >/dev/null 2>&1 &").background);
}

/// Whatever stands before it, the last command is seen.
#[test]
fn nothing_hides_what_follows() {
    for sh in [
        "cat >/n <<'X'\ndon't panic\nX\nhidden",
        "cat >/n <<X\ndon't \"panic ( \nX\nhidden",
        "cat >/n <<-\\X\n\tit's\n\tX\nhidden",
        "cat <<A <<\"B C\" | x\nit's\nA\nit's `\nB C\nhidden",
        "n=$(cat <<X\n) isn't\nX\n)\nhidden",
        "n=\"$(cat <<'X'\n\") isn't\nX\n)\"; hidden",
        "n=$(grep -c ')' /etc/hosts); hidden",
        "n=\"$(grep -c \")\" /etc/hosts)\"; hidden",
        "n=$(echo \\) # don't )\n); hidden",
        "n=`grep -c ')' it`; hidden",
        "n=`echo \\`it\\``; hidden",
        "n=$(case x in a) b;; (c) d;; esac); hidden",
        "n=$(case x in esac); hidden",
        "case x in a) b;; *) c; esac; hidden",
        "# don't\nhidden",
        "a # it's\nhidden",
        "n=${x#*'}'}; hidden",
        "n=\"${x:-it's}\"; hidden",
        "n=${x:-$(a \"}\")}; hidden",
        "n=$((1 << 2)); hidden",
        "((n <<= 2)); hidden",
        "n=$((1 + $(a ')'))); hidden",
        "n=$( (a) ); hidden",
        "f() { a; }; hidden",
        "a <<<'don'\nhidden",
        "diff <(a \"it's\") b; hidden",
        "a 2>&1 <<X\nX\nhidden",
        "[ \"${#x}\" -gt 1 ] && hidden",
    ] {
        let script = read_script(sh);
        assert_eq!(script.unclear, None, "{sh}");
        assert_eq!(script.commands.last().map(|c| c.words.clone()), Some(vec!["hidden".into()]), "{sh}");
    }
}

/// What a document without quotes substitutes is run.
#[test]
fn here_documents_are_read() {
    let script = read_script("cat >/n <<X; b <<'Y'\n$(c d)\nX\n$(e)\nY\n");
    let words: Vec<_> = script.commands.iter().map(|c| c.words.join(" ")).collect();
    assert_eq!(words, ["cat", "b", "c d"]);
    let texts: Vec<_> = script.documents.iter().map(|d| (d.reader.as_str(), d.text.as_str())).collect();
    assert_eq!(texts, [("cat", "$(c d)\n"), ("b", "$(e)\n")]);
}

#[test]
fn what_does_not_close_is_said() {
    for sh in [
        "echo don't; iptables -F",
        "echo \"x; iptables -F",
        "n=$(a; b",
        "n=`a; b",
        "n=${a",
        "(a; b",
        "a) b",
        "cat <<X\nY\n",
        "cat <<'X\nY\n",
        "cat <<X",
        "n=$(echo 'a)",
        "a <<X\n`b\nX\n",
        &"$(".repeat(5000),
    ] {
        assert!(read_script(sh).unclear.is_some(), "{sh}");
    }
}
