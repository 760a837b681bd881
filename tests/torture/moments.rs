//! Every named moment, one after another: the program is killed there, again and again, and comes
//! right.

use albumen::failpoint::Moment;
use fastrand::Rng;
use futures_util::{StreamExt as _, stream};

use crate::{
    SIDE_BY_SIDE, checks, configure, database,
    disk::{Disk, Goes},
    keep::Keep,
    support::home::Home,
    trouble::Trouble,
};

/// How often the program is killed at each moment.
const ROUNDS: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_named_moment_is_met_and_survived() {
    let met: Vec<&str> = stream::iter(Moment::ALL)
        .map(|moment| async move {
            match tokio::spawn(meet(moment)).await {
                Ok(is_met) => is_met.then(|| moment.name()),
                Err(error) => panic!("killed at {}: {error}", moment.name()),
            }
        })
        .buffered(SIDE_BY_SIDE)
        .filter_map(|met| async move { met })
        .collect()
        .await;
    println!("moments met, {ROUNDS} times each: {}", met.join(", "));
    // Two of them need another file system to move files to.
    assert!(met.len() + 2 >= Moment::ALL.len(), "{met:?}");
}

/// Kills the program at a moment, each time with more to do; gives whether that can be done here.
async fn meet(moment: Moment) -> bool {
    let mut rng = Rng::with_seed(moment as u64);
    let mut home = Home::new().await;
    let _keep = Keep::of(&home, moment.name().to_owned());
    configure(&mut home);
    let goes = match moment {
        Moment::MidCopy | Moment::MidAct => match Goes::away() {
            Some(goes) => goes,
            None => return false,
        },
        Moment::AfterAct => Goes::Nowhere,
        _ => Goes::beside(&home),
    };
    let mut disk = Disk::new(&mut home, goes, &mut rng);
    let mut trouble = Trouble::begin(&home, &mut rng).await;
    let is_of_backups = matches!(
        moment,
        Moment::BeforeBackup | Moment::MidBackup | Moment::AfterBackup
    );
    if is_of_backups {
        home.backfill().await;
        let daemon = home.daemon().await;
        daemon.says(&["the database is backed up"]).await;
        daemon.kill();
    }
    // What comes at every step is met further on each time.
    let stride = match moment {
        Moment::BeforeCommit | Moment::AfterCommit => 5,
        Moment::BeforeRequest | Moment::AfterRequest => 2,
        _ => 0,
    };
    for round in 0..ROUNDS {
        for _ in 0..3 {
            disk.put_out(&mut rng);
        }
        if is_of_backups {
            trouble.over_midnight(&home).await;
        }
        // Its access token is over, so that a new one is to be kept.
        trouble.sign_in(&home);
        let doom = format!("{}:{}", moment.name(), 1 + round * stride);
        let ran = home.start_doomed(&["daemon", "-v"], doom).ended().await;
        assert_eq!(ran.code, None, "round {round}: {ran:?}");
        assert!(database::backups_are_sound(&home) > 0 || !is_of_backups);
    }
    trouble.ends(&home).await;
    checks::comes_right(&home, &disk, &trouble).await;
    true
}
