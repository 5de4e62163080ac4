//! Seeded fault schedules: an exact answer or an error, never a wrong one, never twice, never late.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runbook::channel::{Channel, Login};

use crate::console_line::{Dice, Faults, ONE_SHELL, start};

/// How bad the lines of a seed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Weather {
    Fair,
    Moderate,
    Foul,
}

fn schedule(seed: u64) -> (Weather, Faults, &'static [&'static str]) {
    let mut d = Dice::new(seed);
    let (weather, worst) = match d.below(10) {
        0..4 => (Weather::Fair, 100),
        4..8 => (Weather::Moderate, 600),
        _ => (Weather::Foul, 8000),
    };
    let mut some = |share: u64| if d.below(3) == 0 { 0 } else { d.below(worst / share + 1) };
    let faults = Faults {
        seed,
        drop: some(1),
        double: some(2),
        corrupt: some(1),
        noise: some(2),
        delay: some(2),
        speed: 0,
        ..Faults::default()
    };
    let speed = if d.below(4) == 0 { 20_000 + d.below(400_000) } else { 0 };
    let faults = Faults {
        speed,
        echo: d.below(5) == 0,
        canonical: if d.below(3) == 0 { 255 } else { 0 },
        in_markers: d.below(2) == 0,
        ..faults
    };
    (weather, faults, ONE_SHELL[d.below(4) as usize])
}

const DEADLINE: Duration = Duration::from_secs(12);
/// Beyond its deadline, on a machine that does many of these at once.
const SLACK: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
struct Tally {
    answers: u64,
    errors: Vec<(u64, String)>,
    wrong: Vec<(u64, String)>,
    slowest: Duration,
}

async fn one(seed: u64, directory: &std::path::Path) -> Tally {
    let (_, faults, shell) = schedule(seed);
    let mut tally = Tally::default();
    let mut d = Dice::new(seed ^ 0xabcdef);
    let host = start(shell, &faults);
    let console = host.console(&Login::default());
    for call in 0..2 {
        let count = directory.join(format!("{seed}.{call}"));
        let out: Vec<u8> = (0..d.below(3000)).map(|_| d.below(256) as u8).collect();
        let err: Vec<u8> = (0..d.below(50)).map(|_| d.below(256) as u8).collect();
        let status = d.below(100) as i32;
        let script = format!(
            "echo x >>{}\n{}\n{{ {}; }} >&2\nexit {status}\n",
            count.display(),
            runbook::payload::printf_payload(&out),
            runbook::payload::printf_payload(&err)
        );
        let begun = Instant::now();
        let answer = console.exec(script.as_bytes(), DEADLINE).await;
        let took = begun.elapsed();
        tally.slowest = tally.slowest.max(took);
        let runs = std::fs::read(&count).map_or(0, |b| b.len() / 2);
        let mut wrong = |why: String| tally.wrong.push((seed, format!("{shell:?} call {call}: {why}")));
        if took > DEADLINE + SLACK {
            wrong(format!("took {took:?}"));
        }
        if runs > 1 {
            wrong(format!("ran {runs} times"));
        }
        match answer {
            Ok(a) if a.status != Some(status) || a.stdout != out || a.stderr != err => {
                wrong(format!("status {:?} for {status}, {} bytes for {}", a.status, a.stdout.len(), out.len()));
            }
            Ok(_) if runs != 1 => wrong("an answer of nothing that ran".to_owned()),
            Ok(_) => tally.answers += 1,
            Err(e) => tally.errors.push((seed, e.to_string())),
        }
    }
    console.close().await;
    tally
}

/// `RUNBOOK_SEED=7` is one of them again, `RUNBOOK_SEEDS=2000` are so many, `RUNBOOK_FULL=1` ten thousand.
#[test]
fn schedules() {
    let full = std::env::var_os("RUNBOOK_FULL").is_some();
    let wanted = std::env::var("RUNBOOK_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = match wanted {
        Some(seed) => seed..seed + 1,
        None => {
            let some = std::env::var("RUNBOOK_SEEDS").ok().and_then(|s| s.parse().ok());
            0..some.unwrap_or(if full { 10_000 } else { 500 })
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let all = Mutex::new(Vec::new());
    let next = Arc::new(std::sync::atomic::AtomicU64::new(seeds.start));
    let begun = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                crate::console::block_on(async {
                    let lanes = (0..12).map(|_| async {
                        loop {
                            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            if seed >= seeds.end {
                                return;
                            }
                            let tally = one(seed, directory.path()).await;
                            all.lock().unwrap().push((schedule(seed).0, tally));
                        }
                    });
                    futures_util::future::join_all(lanes).await;
                });
            });
        }
    });
    let all = all.into_inner().unwrap();
    for weather in [Weather::Fair, Weather::Moderate, Weather::Foul] {
        let of: Vec<&Tally> = all.iter().filter(|(w, _)| *w == weather).map(|(_, t)| t).collect();
        let calls = of.len() as u64 * 2;
        let answers: u64 = of.iter().map(|t| t.answers).sum();
        let slowest = of.iter().map(|t| t.slowest).max().unwrap_or_default();
        println!("{weather:?}: {} seeds, {calls} calls, {answers} exact answers, the slowest {slowest:.1?}", of.len());
        let mut kinds = std::collections::BTreeMap::<&str, Vec<u64>>::new();
        for (seed, why) in of.iter().flat_map(|t| &t.errors) {
            kinds.entry(why).or_default().push(*seed);
        }
        for (why, seeds) in kinds {
            println!("    {} × {why}: {:?}", seeds.len(), &seeds[..seeds.len().min(12)]);
        }
        let least = match weather {
            Weather::Fair => 97,
            Weather::Moderate => 80,
            Weather::Foul => 0,
        };
        if wanted.is_none() {
            assert!(answers * 100 >= calls * least, "{weather:?}: {answers} of {calls}");
        }
    }
    let wrong: Vec<_> = all.iter().flat_map(|(_, t)| &t.wrong).collect();
    println!("{} seeds in {:.0?}, wrong: {wrong:?}", all.len(), begun.elapsed());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
