//! The clocks of a test: the program's and the service's, which go together unless a test says
//! otherwise. Both stand at the machine's time at first, so that a file that a test writes is as young
//! as a person's would be.

use std::{fs, sync::atomic::Ordering};

use albumen::clock::Clock;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;

use super::home::Home;

impl Home {
    /// What time it is for the service.
    pub(crate) fn now(&self) -> Timestamp {
        Clock::system().now() + SignedDuration::from_secs(self.shift.load(Ordering::Relaxed))
    }

    /// Sets the program's clock so many seconds ahead of the service's.
    pub(crate) fn clock(&self, ahead: i64) {
        let shift = self.shift.load(Ordering::Relaxed) + ahead;
        fs::write(self.path("clock.new"), shift.to_string()).unwrap();
        fs::rename(self.path("clock.new"), self.path("clock")).unwrap();
    }

    /// Lets so many seconds pass on both clocks.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.command(json!({"command": "advance_clock_s", "seconds": seconds}))
            .await;
        self.shift.fetch_add(seconds, Ordering::Relaxed);
        self.clock(0);
    }

    /// Lets the time pass until then.
    pub(crate) async fn until_time(&self, then: Timestamp) {
        self.pass(then.duration_since(self.now()).as_secs()).await;
    }

    /// Lets the time pass until the next noon of the service, for a test that would see another day
    /// begin should it be near midnight there.
    pub(crate) async fn until_noon(&self) {
        let now = self.now().to_zoned(service_zone());
        let noon = now.tomorrow().unwrap().date().at(12, 0, 0, 0);
        let noon = noon.to_zoned(service_zone()).unwrap();
        self.until_time(noon.timestamp()).await;
    }
}

/// Where the service counts its days.
pub(crate) fn service_zone() -> TimeZone {
    TimeZone::get("America/Los_Angeles").unwrap()
}
