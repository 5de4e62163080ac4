//! What a console may be found at, and that it is left so: logins, other people, programs, a receiver of a killed run.

use std::time::{Duration, Instant};

use runbook::channel::console::{Console, Pace};
use runbook::channel::{Channel, Login, Password, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::console::block_on;
use crate::console_line::{Faults, Host, ONE_SHELL, quick, start};

const MINUTE: Duration = Duration::from_secs(60);
const HALF: Duration = Duration::from_secs(30);

/// Types as a person does, and gives what is shown until `end` is, or for two seconds.
async fn type_and_read(host: &Host, text: &str, end: &str) -> String {
    let mut plug = host.plug.lock().await;
    let line = plug.as_mut().unwrap();
    line.write_all(text.as_bytes()).await.unwrap();
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while !String::from_utf8_lossy(&shown).contains(end) {
        match tokio::time::timeout_at(until, line.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => shown.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}

fn settings(host: &Host) -> String {
    let tty = std::fs::read_link(format!("/proc/{}/fd/0", host.child.id().unwrap())).unwrap();
    let out = std::process::Command::new("stty").arg("-F").arg(tty).arg("-a").output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn receivers() -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir("/dev/shm").unwrap().flatten().map(|e| e.path());
    all.filter(|p| p.to_string_lossy().contains("/.runbook-")).collect()
}

/// The private directory of the receiver that runs a script.
async fn directory(console: &Console) -> std::path::PathBuf {
    let out = console.exec(b"echo \"$0\"", HALF).await.unwrap();
    std::path::Path::new(String::from_utf8(out.stdout).unwrap().trim()).parent().unwrap().to_owned()
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    for shell in ONE_SHELL {
        block_on(async {
            let host = start(shell, &Faults::default());
            let prompt = type_and_read(&host, "\r", "# ").await;
            assert!(prompt.contains("box# "), "{prompt:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let before = settings(&host);
            let console = host.console(&Login::default());
            let private = directory(&console).await;
            assert!(private.is_dir(), "{private:?}");
            assert_ne!(settings(&host), before, "{shell:?}: echo is off meanwhile");
            console.close().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(settings(&host), before, "{shell:?}");
            assert!(!private.exists());
            let shown = type_and_read(&host, "echo al''ive\r", "alive\r\n").await;
            assert!(shown.contains("alive\r\n"), "{shell:?} {shown:?}");
            // And a console that was closed opens again.
            assert_eq!(console.exec(b"echo x", HALF).await.unwrap().stdout, b"x\n");
            console.close().await;
        });
    }
}

#[test]
fn a_half_typed_line_is_never_executed() {
    for (shell, typed) in ONE_SHELL.iter().flat_map(|s| [(s, ""), (s, "echo \"a\r")]) {
        block_on(async {
            let here = tempfile::tempdir().unwrap();
            let file = here.path().join("executed");
            let host = start(shell, &Faults::default());
            type_and_read(&host, "\r", "# ").await;
            // Half a command, also behind an open quote.
            let half = format!("{typed}touch {}", file.display());
            type_and_read(&host, &half, "executed").await;
            let console = host.console(&Login::default());
            assert_eq!(console.exec(b"echo x", HALF).await.unwrap().stdout, b"x\n", "{shell:?} {typed:?}");
            console.close().await;
            assert!(!file.exists(), "{shell:?} {typed:?}");
        });
    }
}

#[test]
fn a_program_in_the_foreground_is_interrupted_or_named() {
    block_on(async {
        let host = start(&["bash", "--norc", "-i"], &Faults::default());
        type_and_read(&host, "sleep 1000\r", "1000").await;
        let console = host.console(&Login::default());
        assert_eq!(console.exec(b"echo x", HALF).await.unwrap().stdout, b"x\n");
        console.close().await;
        type_and_read(&host, "sh -c 'trap \"\" INT; stty -isig; sleep 30'\r", "30'").await;
        let begun = Instant::now();
        let error = console.exec(b"echo x", HALF).await.unwrap_err();
        assert!(error.why.contains("program") || error.why.contains("no shell"), "{error:?}");
        assert!(begun.elapsed() < HALF + Duration::from_secs(3));
    });
}

#[test]
fn nobody_there_is_said() {
    block_on(async {
        let host = start(&["sh", "-c", "stty -echo -isig; exec sleep 1000"], &Faults::default());
        let error = host.console(&Login::default()).exec(b"echo x", HALF).await.unwrap_err();
        assert_eq!(error.why, "nothing answers on the console");
        let error = Url::parse("unix:/nonexistent/socket").unwrap().open(&Login::default()).unwrap();
        let error = error.exec(b"echo x", HALF).await.unwrap_err();
        assert!(error.why.contains("/nonexistent/socket"), "{error:?}");
    });
}

/// What agetty and login do, in sh; `$1` is how the password is asked for.
const GETTY: &str = r#"
trap : INT
while :; do
    printf '\r\nDebian GNU/Linux 12 box ttyS0\r\n\r\nbox login: '
    read -r user || exit
    [ "$user" ] || continue
    [ "$1" = on ] || stty -echo
    printf 'Password: '
    read -r password
    stty echo
    echo
    echo "$user $password" >>"$2"
    if [ "$password" = s3cret ]; then
        echo 'Last login: yesterday'
        PS1='root@box:~# ' sh -i
        stty sane
        continue
    fi
    sleep 0.3
    printf '\r\nLogin incorrect\r\n'
done
"#;

fn login(user: &str, password: Option<&str>) -> Login {
    Login { user: Some(user.to_owned()), password: password.map(|p| Password(p.to_owned())) }
}

#[test]
fn logins() {
    block_on(async {
        let here = tempfile::tempdir().unwrap();
        let tried = here.path().join("tried");
        let getty = |echo: &'static str| {
            start(&["sh", "-c", GETTY, "getty", echo, tried.to_str().unwrap()], &Faults::default())
        };
        let why = |login: Login, echo| {
            let host = getty(echo);
            async move { host.console(&login).exec(b"echo x", HALF).await.unwrap_err() }
        };
        let error = why(Login::default(), "off").await;
        assert_eq!(error.why, "the console asks for a login");
        assert!(error.hint.unwrap().contains("--login"));
        let error = why(login("root", None), "off").await;
        assert_eq!(
            (error.why.as_str(), error.hint.as_deref()),
            ("the console asks for the password of root", Some("set RUNBOOK_PASSWORD"))
        );
        assert!(!tried.exists());
        let error = why(login("root", Some("wrong")), "off").await;
        assert_eq!(error.why, "the console refused the login of root: login incorrect");
        assert_eq!(std::fs::read_to_string(&tried).unwrap(), "root wrong\n");
        std::fs::remove_file(&tried).unwrap();
        // It would show: it is not sent.
        let error = why(login("root", Some("s3cret")), "on").await;
        assert!(error.why.contains("the password was not sent"), "{error:?}");
        assert!(!tried.exists());

        let host = getty("off");
        let console = host.console(&login("root", Some("s3cret")));
        for _ in 0..2 {
            assert_eq!(console.exec(b"echo x", HALF).await.unwrap().stdout, b"x\n");
            console.close().await;
            // Logged out again.
            let shown = type_and_read(&host, "\r", "login: ").await;
            assert!(shown.contains("box login: "), "{shown:?}");
        }
        assert_eq!(std::fs::read_to_string(&tried).unwrap(), "root s3cret\nroot s3cret\n");
    });
}

/// Interrupted while a script runs, and while the login is under way.
#[test]
fn an_interrupted_run_logs_out() {
    block_on(async {
        let here = tempfile::tempdir().unwrap();
        let tried = here.path().join("tried");
        let host = start(&["sh", "-c", GETTY, "getty", "off", tried.to_str().unwrap()], &Faults::default());
        let root = login("root", Some("s3cret"));
        let closed = |shown: String| assert!(shown.contains("box login: ") && !shown.contains("# "), "{shown:?}");
        let second = Duration::from_secs(1);

        for patience in [second, Duration::from_millis(400)] {
            let console = host.console(&root);
            if patience == second {
                console.exec(b":", HALF).await.unwrap();
            }
            let cut = tokio::time::timeout(patience, console.exec(b"sleep 20", HALF)).await;
            assert!(cut.is_err());
            console.close().await;
            closed(type_and_read(&host, "\r", "login: ").await);
        }
    });
}

#[test]
fn enter_activates() {
    block_on(async {
        let wait = "while :; do printf '\\r\\nPlease press Enter to activate this console. '; read -r x; sh -i; done";
        let host = start(&["sh", "-c", wait], &Faults::default());
        let console = host.console(&Login::default());
        assert_eq!(console.exec(b"echo x", HALF).await.unwrap().stdout, b"x\n");
        console.close().await;
    });
}

#[test]
fn a_boot_loader_is_left_alone() {
    block_on(async {
        let menu = "printf 'GNU GRUB  version 2.06\\r\\n*Debian GNU/Linux\\r\\n'; read -r key; echo PRESSED";
        let host = start(&["sh", "-c", menu], &Faults::default());
        let error = host.console(&Login::default()).exec(b"echo x", HALF).await.unwrap_err();
        assert_eq!(error.why, "the console is at the GRUB boot menu; no system runs there yet");
        assert!(!type_and_read(&host, "", "PRESSED").await.contains("PRESSED"));
    });
}

#[test]
fn a_receiver_of_a_killed_run_is_taken_over_and_ends_by_itself() {
    for shell in ONE_SHELL {
        block_on(async {
            let host = start(shell, &Faults::default());
            type_and_read(&host, "\r", "# ").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let before = settings(&host);
            let pace = Pace { watch: Duration::from_secs(1), ..quick() };
            let killed = Console::with_pace(host.dial(), &Login::default(), pace.clone());
            let first = directory(&killed).await;
            drop(killed);
            // A person who presses Enter is told, and may end it.
            let shown = type_and_read(&host, "\r", "press Enter\r\n").await;
            assert!(shown.contains("a run is using this console; to end it type .q and press Enter"), "{shown:?}");
            // Another run takes it over.
            let killed = Console::with_pace(host.dial(), &Login::default(), pace);
            let second = directory(&killed).await;
            assert_ne!(first, second);
            assert!(!first.exists() && second.exists(), "{:?}", receivers());
            drop(killed);
            // Nobody comes: the watchdog.
            let begun = Instant::now();
            while second.exists() && begun.elapsed() < Duration::from_secs(20) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(!second.exists(), "{shell:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(settings(&host), before, "{shell:?}");
            println!("{shell:?}: gone after {:?}", begun.elapsed());
        });
    }
}

#[test]
fn a_script_outlives_its_controller() {
    block_on(async {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("finished");
        let host = start(ONE_SHELL[0], &Faults::default());
        let killed = host.console(&Login::default());
        killed.exec(b":", HALF).await.unwrap();
        let script = format!("sleep 2; echo x >{}", file.display());
        let cut = tokio::time::timeout(Duration::from_millis(500), killed.exec(script.as_bytes(), HALF)).await;
        assert!(cut.is_err());
        drop(killed);
        let next = host.console(&Login::default());
        assert_eq!(next.exec(b"echo next", HALF).await.unwrap().stdout, b"next\n");
        assert!(!file.exists());
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(file.exists());
        assert_eq!(next.exec(b"echo next", HALF).await.unwrap().stdout, b"next\n");
        next.close().await;
    });
}

#[test]
fn a_shell_that_ends_in_mid_command_is_no_exit_status() {
    for shell in ONE_SHELL {
        block_on(async {
            let host = start(shell, &Faults::default());
            let console = host.console(&Login::default());
            let begun = Instant::now();
            // The job is a session of its own; its parent's parent is the receiver.
            let script = b"read -r a b c r d </proc/$PPID/stat; kill -9 $r; sleep 20";
            let error = console.exec(script, HALF).await.unwrap_err();
            assert!(error.why.starts_with("the console's shell ended while the script ran"), "{shell:?} {error:?}");
            println!("{shell:?}: known after {:?}", begun.elapsed());
            assert_eq!(console.exec(b"echo next", HALF).await.unwrap().stdout, b"next\n");
            console.close().await;
        });
    }
}

#[test]
fn a_deadline_ends_the_job_and_the_console_goes_on() {
    block_on(async {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("late");
        let host = start(ONE_SHELL[0], &Faults::default());
        let console = host.console(&Login::default());
        console.exec(b":", HALF).await.unwrap();
        let begun = Instant::now();
        let script = format!("sh -c 'sleep 3; echo x >{}'", file.display());
        let error = console.exec(script.as_bytes(), Duration::from_secs(1)).await.unwrap_err();
        assert!(error.why.contains("did not answer within 1 s"), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!(console.exec(b"echo next", HALF).await.unwrap().stdout, b"next\n");
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(!file.exists(), "what it started is killed too");
        console.close().await;
    });
}

#[test]
fn the_url_of_a_command_works() {
    block_on(async {
        let channel = Url::parse("console:PS1='x# ' bash --norc -i").unwrap().open(&Login::default()).unwrap();
        let out = channel.exec(b"echo $$; echo e >&2; exit 3", MINUTE).await.unwrap();
        assert_eq!((out.status, out.stderr.as_slice()), (Some(3), b"e\n".as_slice()));
        assert!(channel.wire().is_some_and(|(sent, received)| sent > 1000 && received > 100));
        channel.close().await;
        let gone = Url::parse("console:false").unwrap().open(&Login::default()).unwrap();
        assert!(gone.exec(b":", HALF).await.unwrap_err().why.contains("closed"));
    });
}
