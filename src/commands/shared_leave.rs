//! `albumen shared leave`: one call of a method that the service has retired.

use anyhow::Context as _;

use super::app::App;
use crate::{
    daemon::clients,
    exit_code::ExitCode,
    photos_api::{self, Call, Kind},
    ui::error_report::Failure,
};

/// Asks the service to leave the shared album with this share token.
pub(crate) async fn leave(app: &App, share_token: &str) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    let client = clients::client(&config)?;
    match send(&client, share_token).await {
        Ok(()) => {
            app.screen.say("the album was left");
            Ok(ExitCode::Done)
        }
        Err(error) if error.http_status() == Some(403) && is_refusal(error.kind()) => {
            let message = format!(
                "the album was not left: on 31 March 2025 Google retired what lets a program leave shared \
                 albums ({error})"
            );
            let hint = "open the album in the Google Photos app and leave it there";
            Err(Failure::new(ExitCode::SomeFailed, message)
                .hint(hint)
                .into())
        }
        Err(error) => Err(error).context("the album was not left"),
    }
}

/// Repeats the call once if the access token was refused: the second call gets a new one.
async fn send(client: &photos_api::Client, share_token: &str) -> Result<(), photos_api::Error> {
    let call = Call::shared_leave(share_token);
    match client.send(&call).await {
        Err(error) if error.kind() == Kind::AccessTokenRefused => {
            client.send(&call).await.map(drop)
        }
        other => other.map(drop),
    }
}

/// Whether the method itself was refused, which has two forms. Another 403 may concern the whole account.
fn is_refusal(kind: Kind) -> bool {
    matches!(kind, Kind::Forbidden | Kind::ScopeMissing)
}
