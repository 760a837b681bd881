//! Notifications for systemd. Without a service manager they do nothing.

/// What systemd is notified of.
#[derive(Debug, Clone, Copy)]
pub(super) enum State<'a> {
    /// The tasks are started.
    Ready,
    /// The process is stopping.
    Stopping,
    /// The process works: resets the watchdog.
    Watchdog,
    /// A line that `systemctl status` shows.
    Status(&'a str),
}

/// The timeout of the watchdog (`WatchdogSec=` of the unit); none if there is no watchdog.
#[cfg(target_os = "linux")]
pub(super) fn watchdog_timeout() -> Option<std::time::Duration> {
    sd_notify::watchdog_enabled()
}

/// Notifies systemd.
#[cfg(target_os = "linux")]
pub(super) fn notify(state: State<'_>) {
    use sd_notify::NotifyState;
    let state = match state {
        State::Ready => NotifyState::Ready,
        State::Stopping => NotifyState::Stopping,
        State::Watchdog => NotifyState::Watchdog,
        State::Status(line) => NotifyState::Status(line),
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn watchdog_timeout() -> Option<std::time::Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn notify(_: State<'_>) {}
