//! What is ready and waits for its time, because the service refused it before. That is a wait like
//! those of the lane; waiting for company is none.

use crate::store::Tx;
use jiff::Timestamp;

use crate::{
    escape::Escaped,
    model::ids::AlbumRow,
    store::{Result, albums},
};

/// What the first of these waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarliestRetry {
    /// Its end.
    pub until: Timestamp,
    /// What waits, and why.
    pub reason: String,
}

/// Something waits until then.
pub(super) fn hold(held: &mut Option<EarliestRetry>, until: Timestamp, reason: &str) {
    if is_sooner(held.as_ref(), until) {
        let reason = reason.to_owned();
        *held = Some(EarliestRetry { until, reason });
    }
}

/// Nothing goes to an album, or leaves it, until then.
pub(super) fn hold_album(
    db: &Tx,
    held: &mut Option<EarliestRetry>,
    album: AlbumRow,
    until: Timestamp,
) -> Result<()> {
    if !is_sooner(held.as_ref(), until) {
        return Ok(());
    }
    let (title, reason): (String, Option<String>) = db
        .prepare_cached("SELECT title, part, reason FROM albums WHERE id = ?1")?
        .query_row([album.0], |row| {
            let title = albums::part_title(&row.get::<_, String>(0)?, row.get(1)?);
            Ok((title, row.get(2)?))
        })?;
    let mut words = format!("the album \"{}\" waits", Escaped::text(&title));
    if let Some(reason) = reason {
        words = format!("{words}: {reason}");
    }
    hold(held, until, &words);
    Ok(())
}

fn is_sooner(held: Option<&EarliestRetry>, until: Timestamp) -> bool {
    held.is_none_or(|known| until < known.until)
}
