//! Quotas, the one-write-at-a-time rule, and the waits that refusals ask for.
//!
//! What the service refuses and what a careful client would not have sent are two questions: the
//! first is answered with a refusal, the second goes to the log of broken rules. A client is only
//! blamed for what it had been told: requests that were on their way when the telling answer went
//! out get [`GRACE`], uploads [`UPLOAD_GRACE`].

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{
    answer::{Blame, Refusal},
    clock::{Millis, SECOND, later, quota_day},
    log::Log,
    route::{Kind, Method},
    settings::Settings,
};

/// The shortest wait after a 429 (fact sheet, section 7.4).
const WAIT_AFTER_429: f64 = 30_000.0;

/// How long parallel requests may still arrive that were sent before the answer was read.
const GRACE: Duration = Duration::from_millis(250);

/// The same for uploads after a daily stop: they go out beside the call that was told of it, and
/// perhaps by way of a new access token. An upload that was begun before may come to its end.
const UPLOAD_GRACE: Duration = Duration::from_secs(1);

/// A daily stop that comes so soon after midnight may be a late reset: the client may ask again
/// hourly.
const EARLY: Millis = 3600 * SECOND;

/// How often a client may ask hourly after an early stop.
const EARLY_TRIES: u32 = 8;

/// Something that a client has been told, and until when it holds.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    until: Millis,
}

impl Told {
    fn forbids(self, now: Millis, arrival: Instant, grace: Duration) -> bool {
        now < self.until && arrival > self.at + grace
    }
}

#[derive(Debug)]
struct InFlight {
    number: u64,
    client_gone: CancellationToken,
}

/// The counters of the one project and the one user.
#[derive(Debug, Default)]
pub(super) struct Limits {
    day_start: Millis,
    used_today: u64,
    minute: Millis,
    writes_this_minute: u64,
    in_flight: Vec<InFlight>,
    next_number: u64,
    angry_until: Millis,
    stop: Option<Told>,
    early_day: Millis,
    early_stops: u32,
    write_wait: Option<Told>,
    read_wait: Option<Told>,
    upload_wait: Option<Told>,
}

/// A write that began; it is in flight until [`Limits::left`].
#[derive(Debug)]
pub(super) struct Ticket(u64);

impl Limits {
    /// A request arrives: notes what the client should not have sent, and takes a write in.
    /// A write that overlaps with another gets no ticket but the refusal.
    pub(super) fn arrived(
        &mut self,
        method: Method,
        (now, arrival): (Millis, Instant),
        client_gone: &CancellationToken,
        settings: &Settings,
        log: &mut Log,
    ) -> Result<Option<Ticket>, Refusal> {
        let kind = method.kind();
        self.blame(method, now, arrival, log);
        if kind != Kind::Write || settings.lifted {
            return Ok(None);
        }
        if let Some(other) = self.in_flight.first() {
            // Who hung up on a call cannot know how long the service goes on with it.
            let blame = if other.client_gone.is_cancelled() {
                Blame::Circumstance("overlap_after_hanging_up")
            } else {
                Blame::Rule("overlapping_writes")
            };
            self.angry_until = later(now, settings.sticky_concurrent_s);
            return Err(Refusal::concurrent(blame));
        }
        if now < self.angry_until {
            return Err(Refusal::concurrent(Blame::Circumstance(
                "sticky_concurrent",
            )));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.in_flight.push(InFlight {
            number,
            client_gone: client_gone.clone(),
        });
        Ok(Some(Ticket(number)))
    }

    /// A write ends.
    pub(super) fn left(&mut self, ticket: &Ticket) {
        self.in_flight.retain(|other| other.number != ticket.0);
    }

    fn blame(&mut self, method: Method, now: Millis, arrival: Instant, log: &mut Log) {
        // A stop is for all calls of the project, whichever of them was told (fact sheet, section 8.2).
        let (stop_grace, wait, grace) = match method.kind() {
            Kind::Oauth => return,
            Kind::Write => (GRACE, self.write_wait, Duration::ZERO),
            Kind::Read => (GRACE, self.read_wait, GRACE),
            Kind::Upload => (UPLOAD_GRACE, self.upload_wait, GRACE),
        };
        let stop = self.stop;
        if stop.is_some_and(|stop| stop.forbids(now, arrival, stop_grace)) {
            log.broken(
                "request_after_daily_stop",
                format!("{} before the day was over", method.name()),
            );
        } else if let Some(wait) = wait.filter(|wait| wait.forbids(now, arrival, grace)) {
            log.broken(
                "too_soon_after_429",
                format!("{} {} ms too soon", method.name(), wait.until - now),
            );
        }
    }

    /// Counts an authenticated request against the quotas.
    pub(super) fn admit(
        &mut self,
        method: Method,
        now: Millis,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let kind = method.kind();
        let (day_start, _) = quota_day(now);
        if self.day_start != day_start {
            self.day_start = day_start;
            self.used_today = 0;
        }
        let counts = kind != Kind::Upload || settings.uploads_count;
        if counts
            && let Some(limit) = settings.daily_limit()
            && self.used_today >= limit
        {
            return Err(Refusal::day_exhausted(limit));
        }
        if kind == Kind::Write {
            let minute = now.div_euclid(settings.minute_ms.max(1));
            if self.minute != minute {
                self.minute = minute;
                self.writes_this_minute = 0;
            }
            if let Some(limit) = settings.writes_per_minute()
                && self.writes_this_minute >= limit
            {
                return Err(Refusal::minute_exhausted(limit));
            }
            self.writes_this_minute += 1;
        }
        if counts {
            self.used_today += 1;
        }
        Ok(())
    }

    /// An answer goes out: what it tells the client holds from now on.
    pub(super) fn answered(
        &mut self,
        method: Method,
        now: Millis,
        (status, body): (u16, &[u8]),
        settings: &Settings,
    ) {
        if status != 429 || method.kind() == Kind::Oauth {
            return;
        }
        let at = Instant::now();
        if contains(body, "ApiCallsPerProjectPerDay") || contains(body, "per day") {
            let until = self.stop_ends(now);
            self.stop = Some(Told { at, until });
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a wait in milliseconds")]
        let wait = (WAIT_AFTER_429 * settings.rate_limit_scale) as Millis;
        let told = Some(Told {
            at,
            until: now.saturating_add(wait),
        });
        match method.kind() {
            Kind::Write => self.write_wait = told,
            Kind::Read => self.read_wait = told,
            Kind::Upload => self.upload_wait = told,
            Kind::Oauth => {}
        }
    }

    /// A stop lasts until midnight Pacific, except soon after one: the counter may be late.
    fn stop_ends(&mut self, now: Millis) -> Millis {
        let (day_start, day_end) = quota_day(now);
        if self.early_day != day_start {
            self.early_day = day_start;
            self.early_stops = 0;
        }
        let is_early = now.saturating_sub(day_start) < EARLY || self.early_stops > 0;
        if is_early && self.early_stops < EARLY_TRIES {
            self.early_stops += 1;
            return now.saturating_add(EARLY * 9 / 10);
        }
        day_end
    }

    /// The stop for the day that a client was told of, in milliseconds: when it ends, and how long ago
    /// it was told.
    pub(super) fn daily_stop(&self) -> Option<(Millis, u64)> {
        let stop = self.stop?;
        let ago = stop.at.elapsed().as_millis();
        Some((stop.until, u64::try_from(ago).unwrap_or(u64::MAX)))
    }

    /// The client that was told of a stop died before it could keep that in mind.
    pub(super) fn forget_stop(&mut self) {
        self.stop = None;
    }

    pub(super) fn used_today(&self, now: Millis) -> u64 {
        if self.day_start == quota_day(now).0 {
            self.used_today
        } else {
            0
        }
    }
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3600 * SECOND;

    /// Answers a call with a daily stop; the number of rules that a call after `wait` would break.
    fn broken_after(limits: &mut Limits, now: Millis, wait: Millis, method: Method) -> usize {
        let settings = Settings::default();
        let refusal = Refusal::day_exhausted(1).answer(Some(Method::AlbumsList), true);
        let told = (refusal.status, &refusal.body[..]);
        limits.answered(Method::AlbumsList, now, told, &settings);
        let mut log = Log::default();
        let arrival = Instant::now() + UPLOAD_GRACE + GRACE;
        limits.blame(method, now + wait, arrival, &mut log);
        log.broken_rules().as_array().map_or(0, Vec::len)
    }

    #[test]
    fn a_daily_stop_that_any_method_was_told_lasts_until_midnight_for_all() {
        let (midnight, next) = quota_day(1_790_000_000_000);
        let noon = midnight + 12 * HOUR;
        let broken = |until: Millis, method| {
            broken_after(&mut Limits::default(), noon, until - noon, method)
        };
        assert_eq!(broken(next - SECOND, Method::AlbumsList), 1);
        assert_eq!(broken(next, Method::AlbumsList), 0);
        assert_eq!(broken(next - SECOND, Method::UploadsRaw), 1);
        assert_eq!(broken(next, Method::UploadsRaw), 0);
    }

    #[test]
    fn soon_after_midnight_a_client_may_ask_hourly_eight_times() {
        let (midnight, _) = quota_day(1_790_000_000_000);
        let mut limits = Limits::default();
        let mut now = midnight + HOUR / 2;
        for _ in 0..8 {
            assert_eq!(
                broken_after(&mut limits, now, HOUR / 2, Method::AlbumsList),
                1
            );
            // Asking for the same stop again is a new one; take that back.
            limits.early_stops -= 1;
            assert_eq!(broken_after(&mut limits, now, HOUR, Method::AlbumsList), 0);
            now += HOUR;
        }
        assert_eq!(broken_after(&mut limits, now, HOUR, Method::AlbumsList), 1);
    }
}
