//! One life of the program, with things happening on the disk, and how it ends.

use std::time::Duration;

use albumen::failpoint::Moment;
use fastrand::Rng;
use rustix::process::Signal;

use crate::{
    disk::Disk,
    support::{
        child::Running,
        home::{Home, LOOK},
    },
};

/// The longest life, in milliseconds.
const LIFE_MS: u64 = 1200;

/// How long a stop may take before it is a kill.
const TERM_PATIENCE: Duration = Duration::from_secs(2);

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was killed from without.
    Killed,
    /// It was killed at the moment that it was doomed to.
    Moment(Moment),
    /// It had nothing more to do, could not go on, or stopped because it was told to.
    ByItself,
}

/// A life of random length, that ends at random or at a random moment.
pub(crate) async fn random(home: &Home, disk: &mut Disk, rng: &mut Rng) -> End {
    let arguments: &[&str] = if rng.u8(0..10) < 6 {
        &["daemon", "-v"]
    } else {
        &["backfill", "-v"]
    };
    let moment = rng.bool().then(|| some_moment(rng));
    let mut running = match moment {
        Some((moment, nth)) => home.start_doomed(arguments, format!("{}:{nth}", moment.name())),
        None => home.start(arguments),
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
    let moment = moment.map(|(moment, _)| moment);
    end(running, moment, rng).await
}

/// A moment, and how often it has to come: what comes often is met anywhere.
fn some_moment(rng: &mut Rng) -> (Moment, u64) {
    let often = [
        (Moment::BeforeCommit, 60),
        (Moment::AfterCommit, 60),
        (Moment::BeforeRequest, 25),
        (Moment::AfterRequest, 25),
        (Moment::MidBody, 8),
    ];
    let (moment, most) = if rng.u8(0..3) < 2 {
        *rng.choice(&often).unwrap()
    } else {
        (rng.choice(Moment::ALL).unwrap(), 2)
    };
    (moment, rng.u64(1..=most))
}

/// Ends what still runs, mostly without warning.
async fn end(mut running: Running, moment: Option<Moment>, rng: &mut Rng) -> End {
    let is_told = running.runs() && rng.u8(0..5) == 0;
    if is_told {
        running.signal(Signal::TERM);
        // A call that hangs is awaited for a minute; a service manager may have less patience.
        let since = tokio::time::Instant::now();
        while running.runs() && since.elapsed() < TERM_PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }
    if running.runs() {
        running.kill();
        return End::Killed;
    }
    let ran = running.ended().await;
    // An account that cannot be used is what the service may have said, and no other reason for 2.
    let is_unusable = ran.code == Some(2) && ran.stderr.contains("disabled");
    assert!(
        is_unusable || matches!(ran.code, None | Some(0 | 1 | 3 | 130)),
        "it ended by itself: {ran:?}"
    );
    match (ran.code, moment) {
        (None, Some(moment)) => End::Moment(moment),
        (None, None) => End::Killed,
        (Some(_), _) => End::ByItself,
    }
}
