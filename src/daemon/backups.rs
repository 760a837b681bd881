//! A backup of the database, once a day: what is in the library is known there and nowhere else.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    clock::{self, LOOK_AGAIN},
    context::Context,
    store::{self, BackedUp},
};

/// From one backup to the next.
const DAILY: Duration = Duration::from_hours(24);

/// After a backup that could not be written.
const AGAIN: Duration = Duration::from_hours(1);

/// The key of `meta` that says when the last one was written, milliseconds.
const BACKED_UP_AT: &str = "backed_up_at";

/// Runs until the stop.
pub(super) async fn daily(context: &Context) -> anyhow::Result<()> {
    let mut not_before = Timestamp::MIN;
    let mut is_said = false;
    loop {
        let now = context.clock.now();
        // A database that is busy or full is no reason to end: there is another look.
        if now >= not_before && is_due(context, now).await.unwrap_or(false) {
            match context.store.back_up(context.stop.clone()).await {
                Ok(BackedUp::Done) => {
                    let at = now.as_millisecond().to_string();
                    let noted = context.store.meta_is(BACKED_UP_AT, at).await;
                    tracing::info!("the database is backed up");
                    is_said = false;
                    // Should that not be noted, one more is written an hour from now.
                    not_before = clock::after(now, if noted.is_ok() { LOOK_AGAIN } else { AGAIN });
                }
                Ok(BackedUp::Stopped) | Err(store::Error::Closed) => {
                    return wait_for_stop(context).await;
                }
                Ok(BackedUp::NoRoom) => {
                    let words =
                        "no backup of the database: the disk of the state folder is too full";
                    not_before = clock::after(now, AGAIN);
                    say(&mut is_said, words);
                }
                Err(error) => {
                    not_before = clock::after(now, AGAIN);
                    say(&mut is_said, &format!("no backup of the database: {error}"));
                }
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

async fn wait_for_stop(context: &Context) -> anyhow::Result<()> {
    context.stop.cancelled().await;
    Ok(())
}

/// Once, until one could be written again.
fn say(is_said: &mut bool, words: &str) {
    if !*is_said {
        tracing::warn!("{words}");
        *is_said = true;
    }
}

/// Whether a day has passed since the last one, and there is anything to remember.
async fn is_due(context: &Context, now: Timestamp) -> store::Result<bool> {
    let last = context.store.meta(BACKED_UP_AT).await?;
    let last = last
        .and_then(|text| text.parse().ok())
        .map(clock::from_millis);
    match last {
        // A backup from the future is of a clock that was set back.
        Some(last) if last <= now => Ok(now >= clock::after(last, DAILY)),
        _ => Ok(context.store.created_count().await? > 0),
    }
}
