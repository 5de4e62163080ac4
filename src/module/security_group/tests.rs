use super::*;

fn wanted(from: &str) -> Wanted<'static> {
    Wanted { instance: "i-1", port: 22, from: Net::parse(from).unwrap(), address: None }
}

fn verdict(repairs: usize) -> Verdict {
    let one = || Repair {
        run: words(&["aws", "add", "[x]"]),
        undo: words(&["aws", "remove", "[x]"]),
        already: Some("Duplicate"),
        listing: listing("group".into(), &["a".into()], 1, "b".into()),
    };
    Verdict { why: "nobody".into(), repairs: (0..repairs).map(|_| one()).collect(), ..Verdict::default() }
}

#[test]
fn a_repair_is_a_command_of_the_controller_that_can_be_taken_back() {
    let d = answer(&wanted("203.0.113.7"), verdict(1)).unwrap();
    let Change::Command(c) = &d.changes[0] else { panic!() };
    assert!(c.controller && !c.root && c.writes == [Resource::Cloud]);
    assert_eq!((c.shown.as_str(), c.undo.as_deref()), ("aws add '[x]'", Some("aws remove '[x]'")));
    assert_eq!(String::from_utf8(d.changes[0].diff()).unwrap(), "--- group\n+++ group\n@@ -1 +1,2 @@\n a\n+b\n");
    assert!(c.notes.is_empty());
}

#[test]
fn everybody_is_warned_about_and_a_private_address_is_noted() {
    let notes = |from: &str| {
        let d = answer(&wanted(from), verdict(1)).unwrap();
        d.changes[0].attributes().join("\n")
    };
    assert!(notes("0.0.0.0/0").contains("WARNING: 0.0.0.0/0 is everybody") && notes("::/0").contains("WARNING"));
    assert!(notes("192.168.1.5").contains("private address") && !notes("203.0.113.7").contains("WARNING"));
}

#[test]
fn what_no_rule_of_ours_mends_is_for_a_person() {
    let v = Verdict { by_hand: Some("ask them".into()), ..verdict(0) };
    let Err(Halt::Person { todo, .. }) = answer(&wanted("203.0.113.7"), v) else { panic!() };
    assert_eq!(todo, "ask them");
}

#[test]
fn ports_and_lists_of_them() {
    assert!(
        in_ports(22, "22")
            && in_ports(22, "20-25")
            && in_ports(22, "80, 22")
            && !in_ports(22, "2222")
            && !in_ports(22, "x")
    );
    assert_eq!([port("22"), port("22/tcp"), port("22/udp"), port("0")], [Some(22), Some(22), None, None]);
}

#[test]
fn every_provider_is_named_in_the_spec() {
    assert_eq!(PROVIDERS.iter().map(|p| p.name).collect::<Vec<_>>(), NAMES);
}
