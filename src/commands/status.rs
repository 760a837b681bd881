//! `albumen status`: one look, or one each second.

use std::time::Duration;

use crate::{
    cli,
    clock::Clock,
    config::Config,
    daemon::clients,
    exit_code::ExitCode,
    status::{Status, text},
};

use super::{
    app::{App, local_time},
    read_state,
};
use crate::ui::output;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// To the upper left corner, and everything below it away (ECMA-48: CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";

/// Tells how things stand.
pub(crate) async fn run(app: &App, flags: &cli::Status) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let clock = clients::clock(&config);
    if flags.watch {
        return watch(&config, &clock, flags.json).await;
    }
    let reader = read_state::reader(&config)?;
    let status = read_state::status(&config, &clock, reader.as_ref())?;
    if flags.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&status)?))?;
    } else {
        output::print_with_headline(&text::text(&status, &local_time(&clock)))?;
    }
    Ok(ExitCode::Done)
}

/// Ctrl-C is how one leaves, so it is no interruption.
async fn watch(config: &Config, clock: &Clock, json: bool) -> anyhow::Result<ExitCode> {
    let mut ticks = tokio::time::interval(EVERY);
    let redraw = !json && output::stdout_is_terminal();
    // One listener for all turns, heard before the first: a key pressed during a look is not lost.
    let mut left = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            biased;
            _ = &mut left => return Ok(ExitCode::Done),
            _ = ticks.tick() => {}
        }
        // A new one each time: another database may take the place of this one.
        let reader = read_state::reader(config)?;
        let status = read_state::status(config, clock, reader.as_ref())?;
        let shown = shown(&status, clock, json, redraw)?;
        if !output::print_or_closed(&shown)? {
            return Ok(ExitCode::Done);
        }
    }
}

fn shown(status: &Status, clock: &Clock, json: bool, redraw: bool) -> anyhow::Result<String> {
    if json {
        return Ok(serde_json::to_string(status)? + "\n");
    }
    let text = text::text(status, &local_time(clock));
    Ok(if redraw {
        format!("{CLEAR}{text}")
    } else {
        format!("{text}\n")
    })
}
