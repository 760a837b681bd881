//! What can be set about the simulated service, and stays set until it is changed.
//!
//! The defaults follow what is documented; each switch answers an open question or repeats a
//! trouble that users have seen (fact sheet, section 10).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{library::ALBUM_CAPACITY, route::Method};

/// The switches, by the names that a script uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a word of the script"
)]
pub(super) struct Settings {
    /// Milliseconds that a request takes before anything is done, by method; `*` is any other.
    pub(super) latency_ms: BTreeMap<String, u64>,
    /// Requests per quota day; null is no limit.
    pub(super) daily_limit: Option<u64>,
    /// Whether requests with bytes count toward the day; sources disagree (section 7.2).
    pub(super) uploads_count: bool,
    /// Mutating calls per minute; null is no limit. 30 have been seen.
    pub(super) writes_per_minute: Option<u64>,
    /// How long the minute of `writes_per_minute` is, for who cannot wait for a real one.
    pub(super) minute_ms: i64,
    /// Bytes that the account can hold; null is no limit.
    pub(super) storage_limit_bytes: Option<u64>,
    /// Whether a second batchCreate with a token is refused.
    pub(super) single_use_tokens: bool,
    /// How long an access token lives; it says so itself.
    pub(super) token_lifetime_s: i64,
    /// How long an upload token lives.
    pub(super) upload_token_lifetime_s: i64,
    /// How long an upload session lives.
    pub(super) session_lifetime_s: i64,
    /// Whether asking a finished session gives its token again.
    pub(super) final_query_returns_token: bool,
    /// What a chunk at the wrong offset is answered with: 409, 400, 412 or 416.
    pub(super) offset_mismatch_status: u16,
    /// Of the sizes of all chunks but the last.
    pub(super) granularity: u64,
    /// Media items that an album can hold; a client can know only the documented number.
    pub(super) album_limit: usize,
    /// How long a new album is unknown to all other methods.
    pub(super) album_visible_after_s: i64,
    /// How long a new media item is unknown to all other methods.
    pub(super) items_visible_after_s: i64,
    /// Lists have short and empty pages, and repeat an entry at the start of a page.
    pub(super) list_oddities: bool,
    /// How long a video is processed.
    pub(super) video_processing_s: i64,
    /// How long all writes are refused after two were in flight together.
    pub(super) sticky_concurrent_s: i64,
    /// Whether errors carry `errors` and `details`.
    pub(super) error_details: bool,
    /// What the status of a created item says: "Success", or "OK" as it did in 2019.
    pub(super) success_message: String,
    /// Whether the status of a created item has its code 0.
    pub(super) explicit_code_0: bool,
    /// Whether `sharedAlbums.leave` still works.
    pub(super) shared_leave_works: bool,
    /// Multiplies the 30 s that a client has to wait after a 429.
    pub(super) rate_limit_scale: f64,
    /// Switches the limits per day and minute and the one on concurrent writes off.
    pub(super) lifted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency_ms: BTreeMap::new(),
            daily_limit: Some(10_000),
            uploads_count: true,
            writes_per_minute: None,
            minute_ms: 60_000,
            storage_limit_bytes: None,
            single_use_tokens: false,
            token_lifetime_s: 3599,
            upload_token_lifetime_s: 24 * 3600,
            session_lifetime_s: 7 * 24 * 3600,
            final_query_returns_token: true,
            offset_mismatch_status: 409,
            granularity: 262_144,
            album_limit: ALBUM_CAPACITY,
            album_visible_after_s: 0,
            items_visible_after_s: 0,
            list_oddities: false,
            video_processing_s: 0,
            sticky_concurrent_s: 0,
            error_details: true,
            success_message: "Success".to_owned(),
            explicit_code_0: false,
            shared_leave_works: false,
            rate_limit_scale: 1.0,
            lifted: false,
        }
    }
}

impl Settings {
    /// These settings with `changes` made; the sentence says what is wrong with them.
    pub(super) fn changed(&self, changes: &Map<String, Value>) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in changes {
            all[name] = value.clone();
        }
        let new: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        if new.granularity == 0 {
            return Err("`granularity` must be at least 1".to_owned());
        }
        if !(400..500).contains(&new.offset_mismatch_status) {
            return Err("`offset_mismatch_status` must be a 4xx status".to_owned());
        }
        if !new.rate_limit_scale.is_finite() || new.rate_limit_scale < 0.0 {
            return Err("`rate_limit_scale` must be a number from 0 on".to_owned());
        }
        Ok(new)
    }

    pub(super) fn latency_ms(&self, method: Method) -> u64 {
        self.latency_ms
            .get(method.name())
            .or_else(|| self.latency_ms.get("*"))
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn daily_limit(&self) -> Option<u64> {
        self.daily_limit.filter(|_| !self.lifted)
    }

    pub(super) fn writes_per_minute(&self) -> Option<u64> {
        self.writes_per_minute.filter(|_| !self.lifted)
    }
}
