//! Waits that a clock which was set back has made too long.
//!
//! A stored wait is an instant. Where the clock is set back, the instant lies further ahead than the
//! kind of wait ever lasts; then nobody knows how much of it is over, and it is due.

use std::time::Duration;

use jiff::Timestamp;

use super::{Result, Store, Tx};
use crate::clock;

/// Files in the queue; the partial index on `not_before` has them.
pub(super) const FILES: &str =
    "UPDATE files SET not_before = 0 WHERE state = 'queued' AND not_before > 0 AND not_before > ?1";

/// Files that may still be written to: looked at again now.
pub(super) const SETTLING: &str =
    "UPDATE files SET due_at = ?2 WHERE state = 'settling' AND due_at > ?1";

/// Items with a token; an index holds what is on its way.
pub(super) const ITEMS: &str = "UPDATE items SET not_before = 0
     WHERE state IN ('uploading', 'uploaded', 'creating') AND not_before > ?1";

/// Media items that join a further album.
pub(super) const PLACEMENTS: &str = "UPDATE placements SET not_before = 0
     WHERE state = 'wanted' AND made = 1 AND not_before > ?1";

/// Media items that the service is asked for.
pub(super) const TO_VERIFY: &str =
    "UPDATE items SET verify_at = ?2 WHERE verify_at IS NOT NULL AND verify_at > ?1";

/// DescriptionSource that are to be told; an index holds what has some.
pub(super) const DESCRIPTIONS: &str = "UPDATE items SET describe_at = 0
     WHERE describe_at IS NOT NULL AND description IS NOT described AND state IN ('created', 'verified')
           AND describe_at > ?1";

/// Files that are to be moved or deleted.
pub(super) const ACTS: &str =
    "UPDATE files SET act_at = ?2 WHERE afterwards IN ('waits', 'ready') AND act_at > ?1";

/// Nothing has gone in the future. How long it is gone is then counted from now.
const DEPARTURES: &str = "UPDATE departures SET gone_at = ?1 WHERE held = 0 AND gone_at > ?1";

/// The few thousand albums that there are have no index for it.
const ALBUMS: &str = "UPDATE albums SET not_before = 0 WHERE not_before > ?1";

impl Store {
    /// What waits for longer than `longest` from now on, waits no more; a file or an item with a token, which
    /// it costs nothing but a try to look at early, not even as long as `of_files`; what is asked for later
    /// than `until_asked` is asked for now. Gives whether there was anything.
    pub async fn shorten_waits(
        &self,
        longest: Duration,
        of_files: Duration,
        until_asked: Duration,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(move |db| {
            let far = clock::after(now, longest).as_millisecond();
            let far_for_files = clock::after(now, of_files).as_millisecond();
            let asked = clock::after(now, until_asked).as_millisecond();
            let mut n = 0;
            for waits in [FILES, ITEMS] {
                n += db.prepare_cached(waits)?.execute([far_for_files])?;
            }
            for waits in [PLACEMENTS, DESCRIPTIONS, ALBUMS] {
                n += db.prepare_cached(waits)?.execute([far])?;
            }
            n += due(db, SETTLING, far, now)?;
            n += due(db, TO_VERIFY, asked, now)?;
            n += due(db, ACTS, asked, now)?;
            n += db
                .prepare_cached(DEPARTURES)?
                .execute([now.as_millisecond()])?;
            Ok(n > 0)
        })
        .await
    }
}

fn due(db: &Tx, waits: &str, far: i64, now: Timestamp) -> Result<usize> {
    Ok(db
        .prepare_cached(waits)?
        .execute([far, now.as_millisecond()])?)
}
