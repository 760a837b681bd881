//! The daily backup of the database, which alone knows what is in the library.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    clock::{self, LOOK_AGAIN},
    context::Context,
    store::{self, BackedUp},
};

/// The interval between two backups.
const INTERVAL: Duration = Duration::from_hours(24);

/// The wait after a backup that could not be written.
const RETRY: Duration = Duration::from_hours(1);

/// The key of `meta` with the time of the last backup, in milliseconds.
const BACKED_UP_AT: &str = "backed_up_at";

/// Runs until the stop.
pub(super) async fn run(context: Context) -> anyhow::Result<()> {
    let mut not_before = Timestamp::MIN;
    // A problem is logged once, until a backup succeeds.
    let mut is_reported = false;
    while !context.stop.is_cancelled() {
        let now = context.clock.now();
        // If the database is busy or full, the next turn checks again.
        if now >= not_before && is_due(&context, now).await.unwrap_or(false) {
            let problem = match context.store.back_up(context.stop.clone()).await {
                Ok(BackedUp::Done) => {
                    tracing::info!("the database is backed up");
                    let at = now.as_millisecond().to_string();
                    let recorded = context.store.meta_is(BACKED_UP_AT, at).await;
                    // If its time could not be recorded, the next backup follows in an hour.
                    not_before =
                        clock::after(now, if recorded.is_ok() { LOOK_AGAIN } else { RETRY });
                    None
                }
                Ok(BackedUp::Stopped) | Err(store::Error::Closed) => {
                    context.stop.cancelled().await;
                    break;
                }
                Ok(BackedUp::NoRoom) => Some("the disk of the state folder is too full".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = &problem {
                not_before = clock::after(now, RETRY);
                if !is_reported {
                    tracing::warn!("no backup of the database: {problem}");
                }
            }
            is_reported = problem.is_some();
        }
        tokio::select! {
            () = context.stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
    Ok(())
}

/// Whether a day has passed since the last backup, and there is anything to back up.
async fn is_due(context: &Context, now: Timestamp) -> store::Result<bool> {
    let last = context.store.meta(BACKED_UP_AT).await?;
    match last
        .and_then(|text| text.parse().ok())
        .map(clock::from_millis)
    {
        Some(last) if last <= now => Ok(now >= clock::after(last, INTERVAL)),
        // There was none, or its time is in the future because the clock was set back.
        _ => Ok(context.store.created_count().await? > 0),
    }
}
