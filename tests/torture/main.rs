//! Everything breaks, on purpose: the program is killed at random and at named moments, files are
//! written, moved, edited and deleted under it, clocks jump, and the service does whatever it was ever
//! seen to do. When the trouble stops, everything must come right by itself, and be proven right.
//!
//! The short form runs with the other tests. The long form, with what a failure prints to repeat it:
//!
//! ```sh
//! ALBUMEN_TORTURE=100 cargo test --release --test torture -- --nocapture
//! ALBUMEN_SEED=17 cargo test --release --test torture -- --nocapture
//! ```
//!
//! `ALBUMEN_LIVES` is how often the program is killed for each seed.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod disk;
mod trouble;

use std::time::Duration;

use albumen::crash::Moment;
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use rustix::process::Signal;

use disk::Disk;
use support::{
    child::Running,
    home::{Home, LOOK},
    service::RATE_LIMIT_MS,
};
use trouble::Trouble;

/// Seeds of the short form.
const FEW: u64 = 3;

/// Times that the program is killed for each seed.
const LIVES: u64 = 14;

/// Seeds that run side by side: most of the time is spent waiting.
const SIDE_BY_SIDE: usize = 3;

/// The longest life, in milliseconds.
const LIFE_MS: u64 = 1200;

/// How long a stop may take before it is a kill.
const TERM_PATIENCE: Duration = Duration::from_secs(2);

/// Longer than the wait that the service expects here after a 429: a process that dies before it can
/// write such a wait down cannot keep it.
const PAUSE: Duration = Duration::from_millis(3 * RATE_LIMIT_MS);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_there_twice_whatever_happens() {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let lives = number("ALBUMEN_LIVES").unwrap_or(LIVES);
    let seeds: Vec<u64> = match (number("ALBUMEN_SEED"), number("ALBUMEN_TORTURE")) {
        (Some(seed), _) => vec![seed],
        (None, Some(n)) => (1..=n).collect(),
        (None, None) => (1..=FEW).collect(),
    };
    let n = seeds.len();
    let kills: u64 = stream::iter(seeds)
        .map(|seed| async move {
            let torture = tokio::spawn(torture(seed, lives));
            match torture.await {
                Ok(kills) => kills,
                Err(error) => panic!("ALBUMEN_SEED={seed} repeats this: {error}"),
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .fold(0, |sum, kills| async move { sum + kills })
        .await;
    println!("{kills} kills over {n} seeds");
}

/// One seed: gives how often the program was killed.
async fn torture(seed: u64, lives: u64) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let mut home = Home::new().await;
    home.set("upload.resumable_above", "'60kB'");
    home.set("watch.rescan", "'1s'");
    home.set("retry.max_attempts", "50");
    home.set("verify.after", "'0s'");
    let mut disk = Disk::new(&mut home, &mut rng);
    let mut trouble = Trouble::default();
    let mut kills = 0;
    for _ in 0..lives {
        trouble.comes(&home, &mut rng).await;
        kills += u64::from(life(&home, &mut disk, &mut rng).await);
        trouble.passes(&home, &mut rng).await;
        tokio::time::sleep(PAUSE).await;
    }
    trouble.ends(&home).await;
    disk.finish();
    checks::comes_right(&home, &disk, &trouble).await;
    kills
}

/// One life of the program, with things happening on disk; gives whether it was killed.
async fn life(home: &Home, disk: &mut Disk, rng: &mut Rng) -> bool {
    let arguments: &[&str] = if rng.u8(0..10) < 6 {
        &["daemon", "-v"]
    } else {
        &["backfill", "-v"]
    };
    let by_moment = rng.bool();
    let mut running = if by_moment {
        let moment = rng.choice(Moment::ALL).unwrap();
        let most = match moment {
            Moment::BeforeCommit | Moment::AfterCommit => 60,
            Moment::BeforeRequest | Moment::AfterRequest => 25,
            Moment::MidBody => 8,
        };
        home.start_doomed(
            arguments,
            format!("{}:{}", moment.name(), rng.u64(1..=most)),
        )
    } else {
        home.start(arguments)
    };
    let ends_at = tokio::time::Instant::now() + Duration::from_millis(rng.u64(0..LIFE_MS));
    let mut changes = rng.u32(0..6);
    while running.runs() && tokio::time::Instant::now() < ends_at {
        if changes > 0 && rng.u8(0..4) == 0 {
            changes -= 1;
            disk.change(rng);
        }
        tokio::time::sleep(LOOK).await;
    }
    end(running, rng).await
}

/// Ends what still runs, mostly without warning.
async fn end(mut running: Running, rng: &mut Rng) -> bool {
    if !running.runs() {
        let ran = running.ended().await;
        assert!(
            matches!(ran.code, None | Some(0 | 1 | 3 | 130)),
            "it ended by itself: {ran:?}"
        );
        return ran.code.is_none();
    }
    if rng.u8(0..5) == 0 {
        running.signal(Signal::TERM);
        // A call that hangs is awaited for a minute; a service manager may have less patience.
        let since = tokio::time::Instant::now();
        while running.runs() && since.elapsed() < TERM_PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        if !running.runs() {
            let ran = running.ended().await;
            // Its moment may have come on the way out.
            assert!(matches!(ran.code, None | Some(0 | 1 | 130)), "{ran:?}");
            return ran.code.is_none();
        }
    }
    running.kill();
    true
}
