//! What the file may say and this version cannot do yet. It is refused, so that nobody relies on it.
//!
//! The day that something here works, its row goes; nothing else has to change.

use std::ops::Range;

use super::{error::Fault, schema, settings::Dashboard};

/// A setting that is understood and not obeyed.
struct Unbuilt<Settings, Written> {
    asked_for: fn(&Settings) -> bool,
    place: fn(&Written) -> Option<Range<usize>>,
    cannot: &'static str,
    instead: &'static str,
}

const OF_DASHBOARD: &[Unbuilt<Dashboard, schema::Dashboard>] = &[Unbuilt {
    asked_for: |dashboard| dashboard.listen.is_some(),
    place: |written| place(&written.listen),
    cannot: "serve a dashboard",
    instead: "`albumen status --watch` shows what is going on; here, write \"off\"",
}];

/// Refuses a dashboard as long as there is none.
pub(super) fn refuse_dashboard(
    dashboard: &Dashboard,
    written: &schema::Dashboard,
) -> Result<(), Fault> {
    refuse(OF_DASHBOARD, dashboard, written)
}

fn refuse<S, W>(list: &[Unbuilt<S, W>], settings: &S, written: &W) -> Result<(), Fault> {
    match list.iter().find(|one| (one.asked_for)(settings)) {
        None => Ok(()),
        Some(one) => {
            let message = format!("this version cannot {} yet", one.cannot);
            Err(Fault::within((one.place)(written), message).hint(one.instead))
        }
    }
}

fn place(text: &schema::Text) -> Option<Range<usize>> {
    text.as_ref().map(toml::Spanned::span)
}
