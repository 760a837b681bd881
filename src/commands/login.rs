//! `albumen login` and `logout`: connect the account in a browser, on this machine or another.
//!
//! A running daemon notices the new token file by itself.

use std::{
    fs::OpenOptions,
    io::{self, BufRead as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::sync::mpsc;
use url::Url;

use super::{app::App, read_state};
use crate::{
    config::Config,
    daemon::clients,
    exit_code::ExitCode,
    photos_api::{self, Granted, Kind, Login},
    ui::output,
};

/// How long the sign-in in a browser of this machine may take. In another one it may take any time.
const BROWSER_TIMEOUT: Duration = Duration::from_mins(5);

/// Programs that open an address in the user's browser.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// The message at the end of a sign-in.
const SIGNED_IN: &str =
    "You are signed in. A running daemon notices by itself; `albumen backfill` begins at once.";

/// Signs in with a browser, or with the token file of a sign-in on another machine. If another client than this
/// one filled the library, the sign-in is refused without `new_client`.
pub(crate) async fn login(
    app: &App,
    no_browser: bool,
    from: Option<&Path>,
    new_client: bool,
) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let auth = clients::auth(&config)?;
    if !new_client && let Some(library_client_id) = library_client_id(&config)? {
        let now_with = auth.client_id().await?;
        if library_client_id != now_with {
            return Err(photos_api::other_client(&library_client_id, &now_with).into());
        }
    }
    if let Some(from) = from {
        auth.carry_over(from, new_client).await?;
        app.screen.say(SIGNED_IN);
        return Ok(ExitCode::Done);
    }
    let login = Login::begin(&auth).await?.with_new_client(new_client);
    let opened = !no_browser && open(login.address());
    if opened {
        app.screen
            .say("Your browser should open now. If it does not, open this address in it:");
    } else {
        app.screen.say("Open this address in a browser:");
    }
    output::print(&format!("{}\n", login.address()))?;
    let granted = if opened {
        login.finish(Some(BROWSER_TIMEOUT)).await?
    } else {
        app.screen.say(&remote_browser_hint(login.address()));
        redirect_or_pasted(app, &login).await?
    };
    tracing::info!(scopes = granted.scopes.len(), "signed in");
    app.screen.say(SIGNED_IN);
    Ok(ExitCode::Done)
}

/// The client that filled the library, as far as the database of this folder knows.
fn library_client_id(config: &Config) -> anyhow::Result<Option<String>> {
    match read_state::reader(config)? {
        Some(reader) => Ok(reader.client_id()?),
        None => Ok(None),
    }
}

/// Opens the address in a browser; returns whether a program for that was found.
fn open(address: &Url) -> bool {
    OPENERS.iter().any(|opener| {
        Command::new(opener)
            .arg(address.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    })
}

/// What to do if the browser is on another machine.
fn remote_browser_hint(address: &Url) -> String {
    let redirect = address
        .query_pairs()
        .find_map(|(name, value)| (name == "redirect_uri").then(|| value.into_owned()));
    let port = redirect
        .and_then(|redirect| Url::parse(&redirect).ok())
        .and_then(|redirect| redirect.port_or_known_default());
    let forward = port.map(|port| {
        format!("If the browser is on another machine, run there first: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE\n")
    });
    format!(
        "{}Or paste the address that the browser ends at here, even if it cannot show the page:",
        forward.unwrap_or_default()
    )
}

/// Waits for the redirect of the browser, or for its address to be pasted into the terminal.
async fn redirect_or_pasted(app: &App, login: &Login) -> Result<Granted, photos_api::Error> {
    let mut pasted = lines_of_stdin();
    let browser = login.finish(None);
    tokio::pin!(browser);
    loop {
        let line = tokio::select! {
            granted = &mut browser => return granted,
            Some(line) = pasted.recv() => line,
        };
        if line.trim().is_empty() {
            continue;
        }
        match login.finish_with(&line).await {
            // Not the right address, or its code is not accepted: the user may paste another one.
            Err(error) if error.kind() == Kind::LoginNeeded => {
                let hint = error.hint().map(|hint| format!("; {hint}"));
                app.screen
                    .say(&format!("{error}{}", hint.unwrap_or_default()));
            }
            done => return done,
        }
    }
}

/// Reads stdin in a thread, because a blocking read of a terminal cannot be cancelled. The thread ends with the
/// process.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}

/// Revokes the access. The queue stays.
pub(crate) async fn logout(app: &App) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let auth = clients::auth(&config)?;
    match auth.revoke().await {
        Ok(()) => app
            .screen
            .say("The access was given back; the queue stays."),
        Err(error) if error.kind() == Kind::LoginNeeded => {
            // There is no token file, or it has no token that could be revoked.
            auth.forget()?;
            app.screen.say("Nobody is signed in.");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::Done)
}

/// Creates a file that only its owner can read.
pub(crate) fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_port_of_this_sign_in() {
        let address = "https://accounts.google.com/o/oauth2/v2/auth?redirect_uri=http%3A%2F%2F127.0.0.1%3A43210&state=x";
        let words = remote_browser_hint(&address.parse().unwrap());
        assert!(words.contains("ssh -L 43210:127.0.0.1:43210 "), "{words}");
    }
}
