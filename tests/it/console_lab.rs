//! The console of a real host: agetty, login, bash, systemd.

use std::process::Command;
use std::time::{Duration, Instant};

use runbook::channel::{Login, Password, Url};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::console::block_on;
use crate::console_line::{Faults, pump};
use crate::support::{Done, LAB, Run, lab_is_on};

const MINUTE: Duration = Duration::from_secs(60);

fn lab(args: &[&str]) -> String {
    let out = Command::new(LAB).args(args).output().unwrap();
    assert!(out.status.success(), "lab {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

struct Lab(String);

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new(LAB).args(["down", &self.0]).output();
    }
}

fn root(password: &str) -> Login {
    Login { user: Some("root".to_owned()), password: Some(Password(password.to_owned())) }
}

#[test]
fn the_console_of_a_real_host() {
    if !lab_is_on() {
        return;
    }
    let name = format!("con-{}", std::process::id());
    lab(&["up", &name]);
    let host = Lab(name);
    let socket = lab(&["console", &host.0]);
    let open = |login: Login| Url::parse(&format!("unix:{socket}")).unwrap().open(&login).unwrap();
    let state = || {
        lab(&[
            "sh",
            &host.0,
            "-c",
            "stty -F /dev/console -a; cat /proc/sys/kernel/printk; ls /dev/shm /run | grep runbook; loginctl list-sessions --no-legend | wc -l",
        ])
    };
    crate::console_line::trace();
    let found = state();
    block_on(async {
        let error = open(Login::default()).exec(b"echo x", MINUTE).await.unwrap_err();
        assert_eq!(error.why, "the console asks for a login");
        let error = open(root("wrong")).exec(b"echo x", MINUTE).await.unwrap_err();
        assert!(error.why.ends_with("login incorrect"), "{error:?}");

        let console = open(root("lab"));
        let begun = Instant::now();
        let out = console.exec(b"id -un; hostname; printf '\\0\\377' >&2; exit 5", MINUTE).await.unwrap();
        println!("logged in and answered after {:?}", begun.elapsed());
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("root\n{}\n", host.0));
        assert_eq!((out.status, out.stderr.as_slice()), (Some(5), b"\0\xff".as_slice()));

        // Noise on the line while an answer comes.
        let log = std::path::Path::new(&socket).with_file_name("console.log");
        let noise = tokio::spawn(async move {
            loop {
                let mut log = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
                std::io::Write::write_all(&mut log, b"[  123.456789] usb 1-1: new device").unwrap();
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        });
        let begun = Instant::now();
        let out = console
            .exec(b"head -c 100000 /usr/bin/bash; head -c 100000 /usr/bin/bash | sha256sum >&2", MINUTE)
            .await
            .unwrap();
        noise.abort();
        println!("100 kB through noise in {:?}, {:?}", begun.elapsed(), console.wire());
        let sum: String = {
            use sha2::Digest;
            sha2::Sha256::digest(&out.stdout).iter().map(|b| format!("{b:02x}")).collect()
        };
        assert_eq!((out.stdout.len(), String::from_utf8_lossy(&out.stderr)), (100_000, format!("{sum}  -\n").into()));
        console.close().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let left = state();
        assert_eq!(left, found);

        // A run that was killed, and a passer-by who ends what stands there: no shell of root's is left open.
        let console = open(root("lab"));
        console.exec(b":", MINUTE).await.unwrap();
        drop(console);
        let mut line = tokio::net::UnixStream::connect(&socket).await.unwrap();
        let mut shown = Vec::new();
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        tokio::time::sleep(Duration::from_millis(500)).await;
        line.write_all(b".q\r").await.unwrap();
        while !String::from_utf8_lossy(&shown).contains("login: ") {
            let mut buffer = [0; 1024];
            let n = tokio::time::timeout_at(until, line.read(&mut buffer)).await.expect("no login prompt").unwrap();
            shown.extend_from_slice(&buffer[..n]);
        }
        drop(line);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(state(), found);

        // A reboot in mid-command.
        let console = open(root("lab"));
        console.exec(b":", MINUTE).await.unwrap();
        let begun = Instant::now();
        let error = console.exec(b"systemctl reboot; sleep 100", MINUTE).await.unwrap_err();
        println!("a reboot is known after {:?}: {error:?}", begun.elapsed());
        assert_eq!(error.why, "the host was rebooted while the script ran");
        assert_eq!(console.exec(b"echo next", MINUTE).await.unwrap().stdout, b"next\n");
        console.close().await;
    });
}

/// A whole plan of a healthy host, its console at 9600 baud: what goes over the line, and how long it takes.
#[test]
fn a_plan_at_9600_baud() {
    let Some(host) = crate::support::Host::up("baud") else { return };
    let console = lab(&["console", &host.name]);
    let relay = host.desk.path("relay");
    let listener = std::os::unix::net::UnixListener::bind(&relay).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            let slow = Faults { speed: 960, ..Faults::default() };
            while let Ok((near, _)) = listener.accept().await {
                let far = tokio::net::UnixStream::connect(&console).await.unwrap();
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(pump(from_near, to_far, slow.clone(), false, None, None));
                tokio::spawn(pump(from_far, to_near, slow.clone(), true, None, None));
            }
        });
    });
    let via = format!("unix:{}", relay.display());
    let args = ["--via", &via, "--address", &host.address, "--login", "root", "-o", "json"];
    let mut command = host.desk.runbook(&[LAB, "ctl"], "plan", &crate::support::ssh_refused(), &args);
    let begun = Instant::now();
    let run: Run = Done::from(command.env("RUNBOOK_PASSWORD", "lab").output().unwrap()).into();
    let took = begun.elapsed();
    assert_eq!((run.exit, run.all_changes()), (0, 0), "{}", run.seen());
    let wire = |key: &str| run.json["wire"][key].as_u64().unwrap();
    println!(
        "9600 baud: the plan of a healthy host takes {took:.1?}, {} + {} bytes on the wire, {} round trip",
        wire("bytes_sent"),
        wire("bytes_received"),
        wire("round_trips")
    );
    assert!(wire("bytes_sent") + wire("bytes_received") < 30_000, "{}", run.json["wire"]);
    assert_eq!(wire("round_trips"), 1);
}

#[test]
fn a_target_without_base64_and_cksum() {
    if !lab_is_on() {
        return;
    }
    let here = tempfile::tempdir().unwrap();
    let tree = here.path().join("tree");
    let busybox = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/busybox");
    let made = Command::new(busybox).arg("make").arg(&tree).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    crate::console_line::trace();
    block_on(async {
        let url = format!("console:{busybox} sh --proc {} -i", tree.display());
        let console = Url::parse(&url).unwrap().open(&Login::default()).unwrap();
        let out =
            console.exec(b"command -v base64 cksum; printf 'a\\0\\377\\n'; echo e >&2; exit 9", MINUTE).await.unwrap();
        assert_eq!(
            (out.status, out.stdout.as_slice(), out.stderr.as_slice()),
            (Some(9), &b"a\0\xff\n"[..], &b"e\n"[..])
        );
        println!("{:?} bytes", console.wire());
        console.close().await;
    });
}
