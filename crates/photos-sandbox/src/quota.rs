//! Quotas, the rule of one write at a time, and the waits that refusals ask for.
//!
//! What the service refuses and what a careful client would not have sent are two questions. The first
//! is answered with a refusal; the second goes to the log of broken rules. A client is blamed only for
//! what it had been told: requests that were on their way when that response was sent have [`GRACE`],
//! uploads [`UPLOAD_GRACE`].

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Millis, SECOND, later, quota_day},
    discovery::{Kind, Method},
    errors::{Blame, Refusal},
    faults::Settings,
    rule_log::RuleLog,
};

/// The shortest wait after a 429 (fact sheet, section 7.4).
const WAIT_AFTER_429: f64 = 30_000.0;

/// How long parallel requests may still arrive that were sent before the answer was read.
const GRACE: Duration = Duration::from_millis(250);

/// The same for uploads after a daily stop: they are sent in parallel to the call that was refused, and
/// may refresh the access token first. An upload that began before may end.
const UPLOAD_GRACE: Duration = Duration::from_secs(1);

/// A daily stop within this time after midnight may be a late reset of the counter: the client may try
/// again hourly.
const EARLY: Millis = 3600 * SECOND;

/// How often a client may try hourly after an early stop.
const EARLY_TRIES: u32 = 8;

/// A wait that a response asked for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    at: Instant,
    until: Millis,
}

impl Wait {
    fn forbids(self, now: Millis, arrival: Instant, grace: Duration) -> bool {
        now < self.until && arrival > self.at + grace
    }
}

#[derive(Debug)]
struct WriteInFlight {
    number: u64,
    client_gone: CancellationToken,
}

/// The counters of the one project and its one user.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    day_start: Millis,
    used_today: u64,
    minute: Millis,
    writes_this_minute: u64,
    in_flight: Vec<WriteInFlight>,
    next_number: u64,
    closed_until: Millis,
    stop: Option<Wait>,
    early_day: Millis,
    early_stops: u32,
    write_wait: Option<Wait>,
    read_wait: Option<Wait>,
    upload_wait: Option<Wait>,
}

/// A write that has begun; it is in flight until [`Quota::end_write`].
#[derive(Debug)]
pub(crate) struct Ticket(u64);

impl Quota {
    /// Notes a request that the client should not have sent, and begins a write. A write that overlaps
    /// with another one gets a refusal.
    pub(crate) fn arrived(
        &mut self,
        method: &Method,
        (now, arrival): (Millis, Instant),
        client_gone: &CancellationToken,
        settings: &Settings,
        log: &mut RuleLog,
    ) -> Result<Option<Ticket>, Refusal> {
        let kind = method.kind;
        self.blame(method, now, arrival, log);
        if kind != Kind::Write || settings.lifted {
            return Ok(None);
        }
        if let Some(other) = self.in_flight.first() {
            // A client that hung up on a call cannot know how long the service works on it.
            let blame = if other.client_gone.is_cancelled() {
                Blame::Circumstance("overlap_after_hanging_up")
            } else {
                Blame::Rule("overlapping_writes")
            };
            self.closed_until = later(now, settings.sticky_concurrent_s);
            return Err(Refusal::canned("concurrent_429", blame));
        }
        if now < self.closed_until {
            let blame = Blame::Circumstance("sticky_concurrent");
            return Err(Refusal::canned("concurrent_429", blame));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.in_flight.push(WriteInFlight {
            number,
            client_gone: client_gone.clone(),
        });
        Ok(Some(Ticket(number)))
    }

    /// A write ends.
    pub(crate) fn end_write(&mut self, ticket: &Ticket) {
        self.in_flight.retain(|other| other.number != ticket.0);
    }

    fn blame(&mut self, method: &Method, now: Millis, arrival: Instant, log: &mut RuleLog) {
        // A daily stop is for all calls of the project, whichever of them was refused (section 8.2).
        let (stop_grace, wait, grace) = match method.kind {
            Kind::Oauth => return,
            Kind::Write => (GRACE, self.write_wait, Duration::ZERO),
            Kind::Read => (GRACE, self.read_wait, GRACE),
            Kind::Upload => (UPLOAD_GRACE, self.upload_wait, GRACE),
        };
        let stop = self.stop;
        if stop.is_some_and(|stop| stop.forbids(now, arrival, stop_grace)) {
            log.broken(
                "request_after_daily_stop",
                format!("{} before the day was over", method.name),
            );
        } else if let Some(wait) = wait.filter(|wait| wait.forbids(now, arrival, grace)) {
            log.broken(
                "too_soon_after_429",
                format!("{} {} ms too soon", method.name, wait.until - now),
            );
        }
    }

    /// Counts an authenticated request against the quotas.
    pub(crate) fn admit(
        &mut self,
        method: &Method,
        now: Millis,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let kind = method.kind;
        let (day_start, _) = quota_day(now);
        if self.day_start != day_start {
            self.day_start = day_start;
            self.used_today = 0;
        }
        let counts = kind != Kind::Upload || settings.uploads_count;
        if counts
            && let Some(limit) = settings.daily_limit.filter(|_| !settings.lifted)
            && self.used_today >= limit
        {
            return Err(Refusal::quota("daily_429", "quota_day", limit));
        }
        if kind == Kind::Write {
            let minute = now.div_euclid(settings.minute_ms.max(1));
            if self.minute != minute {
                self.minute = minute;
                self.writes_this_minute = 0;
            }
            if let Some(limit) = settings.writes_per_minute.filter(|_| !settings.lifted)
                && self.writes_this_minute >= limit
            {
                return Err(Refusal::quota("minute_429", "quota_minute", limit));
            }
            self.writes_this_minute += 1;
        }
        if counts {
            self.used_today += 1;
        }
        Ok(())
    }

    /// A response is sent: the wait that it asks for begins.
    pub(crate) fn answered(
        &mut self,
        method: &Method,
        now: Millis,
        (status, body): (u16, &[u8]),
        settings: &Settings,
    ) {
        if status != 429 || method.kind == Kind::Oauth {
            return;
        }
        let at = Instant::now();
        if contains(body, "ApiCallsPerProjectPerDay") || contains(body, "per day") {
            let until = self.stop_ends(now);
            self.stop = Some(Wait { at, until });
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a wait in milliseconds")]
        let millis = (WAIT_AFTER_429 * settings.rate_limit_scale) as Millis;
        let wait = Some(Wait {
            at,
            until: now.saturating_add(millis),
        });
        match method.kind {
            Kind::Write => self.write_wait = wait,
            Kind::Read => self.read_wait = wait,
            Kind::Upload => self.upload_wait = wait,
            Kind::Oauth => {}
        }
    }

    /// A daily stop lasts until midnight Pacific; soon after midnight for an hour, as the counter may be
    /// late.
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

    /// The last daily stop that was sent to a client: when it ends, and how many milliseconds ago it was
    /// sent.
    pub(crate) fn daily_stop(&self) -> Option<(Millis, u64)> {
        let stop = self.stop?;
        let ago = stop.at.elapsed().as_millis();
        Some((stop.until, u64::try_from(ago).unwrap_or(u64::MAX)))
    }

    /// The client that got a daily stop was killed before it could store that.
    pub(crate) fn forget_stop(&mut self) {
        self.stop = None;
    }

    pub(crate) fn used_today(&self, now: Millis) -> u64 {
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

    fn method(verb: &str, path: &str) -> &'static Method {
        let headers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-goog-upload-protocol"),
            http::HeaderValue::from_static("raw"),
        )]);
        let verb = http::Method::from_bytes(verb.as_bytes()).unwrap();
        crate::discovery::route(&verb, path, &Vec::new(), &headers)
            .unwrap()
            .0
    }

    const HOUR: Millis = 3600 * SECOND;

    /// Answers a call with a daily stop; the number of rules that a call after `wait` breaks.
    fn broken_after(quota: &mut Quota, now: Millis, wait: Millis, blamed: &Method) -> usize {
        let settings = Settings::default();
        let response = Refusal::quota("daily_429", "", 1).response(false, true);
        let sent = (response.status, &response.body[..]);
        quota.answered(method("GET", "/v1/albums"), now, sent, &settings);
        let mut log = RuleLog::default();
        let arrival = Instant::now() + UPLOAD_GRACE + GRACE;
        quota.blame(blamed, now + wait, arrival, &mut log);
        let mut state = serde_json::json!({});
        log.describe(&mut state);
        state["broken_rules"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn a_daily_stop_of_any_method_lasts_until_midnight_for_all() {
        let (list, raw) = (method("GET", "/v1/albums"), method("POST", "/v1/uploads"));
        let (midnight, next) = quota_day(1_790_000_000_000);
        let noon = midnight + 12 * HOUR;
        let broken =
            |until: Millis, method| broken_after(&mut Quota::default(), noon, until - noon, method);
        assert_eq!(broken(next - SECOND, list), 1);
        assert_eq!(broken(next, list), 0);
        assert_eq!(broken(next - SECOND, raw), 1);
        assert_eq!(broken(next, raw), 0);
    }

    #[test]
    fn soon_after_midnight_a_client_may_try_hourly_eight_times() {
        let list = method("GET", "/v1/albums");
        let (midnight, _) = quota_day(1_790_000_000_000);
        let mut quota = Quota::default();
        let mut now = midnight + HOUR / 2;
        for _ in 0..8 {
            assert_eq!(broken_after(&mut quota, now, HOUR / 2, list), 1);
            // The second call of `broken_after` sends another stop; take that back.
            quota.early_stops -= 1;
            assert_eq!(broken_after(&mut quota, now, HOUR, list), 0);
            now += HOUR;
        }
        assert_eq!(broken_after(&mut quota, now, HOUR, list), 1);
    }
}
