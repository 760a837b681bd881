//! Everything breaks, on purpose: the program is killed at random and at named moments, files are
//! written, moved, edited and deleted under it, clocks jump, and the service does whatever it was ever
//! seen to do. When the trouble stops, everything must come right by itself, and be proven right.
//!
//! - [`faults`]: what the service does, as the fact sheet lists it. [`trouble`] brings it.
//! - [`disk`], [`said`]: what people do to their files.
//! - [`life`]: one life of the program, and how it ends.
//! - [`checks`], [`database`]: what must be true in the end.
//! - [`moments`]: every named moment is met, and survived.
//!
//! The short form runs with the other tests. The long form, with what a failure prints to repeat it:
//!
//! ```sh
//! ALBUMEN_TORTURE=100 cargo test --release --test torture -- --nocapture
//! ALBUMEN_SEED=17 cargo test --release --test torture -- --nocapture
//! ```
//!
//! `ALBUMEN_SEED` may be a range as in `100..200`; `ALBUMEN_LIVES` is how often the program is killed
//! for each seed. What a failure leaves is kept, and it says where.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what goes wrong here fails the test that uses it"
)]
#![allow(clippy::print_stdout, reason = "a long run tells what it has proven")]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod database;
mod disk;
mod faults;
mod hash;
mod keep;
mod life;
mod moments;
mod said;
mod trouble;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use albumen::failpoint::Moment;
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};

use checks::Proven;
use disk::Disk;
use faults::FAULTS;
use life::End;
use support::{home::Home, service::RATE_LIMIT_MS};
use trouble::Trouble;

/// Seeds of the short form.
const FEW: u64 = 3;

/// Seeds after which every fault must have been met.
const MANY: usize = 20;

/// Times that the program is killed for each seed.
const LIVES: u64 = 14;

/// Seeds that run side by side: most of the time is spent waiting.
const SIDE_BY_SIDE: usize = 3;

/// Longer than the wait that the service expects here after a 429: a process that dies before it can
/// write such a wait down cannot keep it.
const PAUSE: Duration = Duration::from_millis(3 * RATE_LIMIT_MS);

/// What was done and proven.
#[derive(Debug, Default)]
struct Sum {
    failed: Vec<u64>,
    kills: u64,
    by_moment: BTreeMap<Moment, u64>,
    met: BTreeSet<&'static str>,
    midnights: u64,
    stops: (u64, u64),
    proven: Proven,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_there_twice_whatever_happens() {
    let lives = asked("ALBUMEN_LIVES").map_or(LIVES, |lives| lives.parse().unwrap());
    let seeds = seeds();
    let n = seeds.len();
    let sum = stream::iter(seeds)
        .map(|seed| async move {
            let sum = tokio::spawn(torture(seed, lives)).await;
            sum.unwrap_or_else(|error| {
                println!("ALBUMEN_SEED={seed} repeats this: {error}");
                Sum {
                    failed: vec![seed],
                    ..Sum::default()
                }
            })
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .fold(Sum::default(), |sum, one| async move { sum.and(one) })
        .await;
    sum.tell(n);
    assert!(
        sum.failed.is_empty(),
        "ALBUMEN_SEED repeats each: {:?}",
        sum.failed
    );
    if n >= MANY {
        let all: BTreeSet<_> = FAULTS.iter().map(|fault| fault.name).collect();
        let missed: Vec<_> = all.difference(&sum.met).collect();
        assert!(missed.is_empty(), "never met: {missed:?}");
    }
}

fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The seeds that are asked for: one, a range, or so many.
fn seeds() -> Vec<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    let Some(seeds) = asked("ALBUMEN_SEED") else {
        let n = asked("ALBUMEN_TORTURE").map_or(FEW, |n| number(&n));
        return (1..=n).collect();
    };
    match seeds.split_once("..") {
        Some((from, to)) => (number(from)..number(to)).collect(),
        None => vec![number(&seeds)],
    }
}

/// Waits that suit the shortness of these lives.
fn configure(home: &mut Home) {
    home.set("upload.resumable_above", "'60kB'");
    home.set("watch.rescan", "'1s'");
    home.set("retry.max_attempts", "50");
    home.set("verify.after", "'0s'");
}

/// One seed.
async fn torture(seed: u64, lives: u64) -> Sum {
    let mut rng = Rng::with_seed(seed);
    let mut home = Home::new().await;
    let _keep = keep::Keep::of(&home, format!("seed-{seed}"));
    configure(&mut home);
    if rng.bool() {
        home.set("upload.chunk_size", "'256KiB'");
    }
    let goes = Disk::some_goes(&home, &mut rng);
    let mut disk = Disk::new(&mut home, goes, &mut rng);
    let mut trouble = Trouble::begin(&home, &mut rng).await;
    let mut sum = Sum::default();
    for _ in 0..lives {
        trouble.comes(&home, &mut rng).await;
        let end = life::random(&home, &mut disk, &mut rng).await;
        let died = tokio::time::Instant::now();
        if let End::Moment(moment) = end {
            *sum.by_moment.entry(moment).or_default() += 1;
        }
        sum.kills += u64::from(end != End::ByItself);
        database::backups_are_sound(&home);
        trouble.passes(&home, died, &mut rng).await;
        tokio::time::sleep(PAUSE).await;
    }
    trouble.ends(&home).await;
    disk.finish();
    sum.proven = checks::comes_right(&home, &disk, &trouble).await;
    sum.met = trouble.met;
    sum.midnights = trouble.midnights;
    sum.stops = trouble.stops;
    sum
}

impl Sum {
    fn and(mut self, other: Self) -> Self {
        self.failed.extend(other.failed);
        self.kills += other.kills;
        for (moment, n) in other.by_moment {
            *self.by_moment.entry(moment).or_default() += n;
        }
        self.met.extend(other.met);
        self.midnights += other.midnights;
        self.stops.0 += other.stops.0;
        self.stops.1 += other.stops.1;
        self.proven.files += other.proven.files;
        self.proven.placements += other.proven.placements;
        self.proven.in_sequence += other.proven.in_sequence;
        self.proven.gone_out += other.proven.gone_out;
        self
    }

    fn tell(&self, seeds: usize) {
        let moments: Vec<_> = self
            .by_moment
            .iter()
            .map(|(moment, n)| format!("{} {n}", moment.name()))
            .collect();
        let proven = &self.proven;
        println!("{} kills over {seeds} seeds", self.kills);
        println!("moments met: {}", moments.join(", "));
        println!("faults met: {} of {}", self.met.len(), FAULTS.len());
        println!(
            "days ended: {}; stops for the day that outlived a process: {}, that died with it: {}",
            self.midnights, self.stops.0, self.stops.1
        );
        println!(
            "proven: {} contents, {} that were to go, {} placements, {} of them in sequence",
            proven.files, proven.gone_out, proven.placements, proven.in_sequence
        );
    }
}
