//! The clock and the client of the service, as the configuration says.

use crate::{
    clock::Clock,
    config::Config,
    photos_api::{Auth, AuthFiles, Client, Endpoints, Error, Settings, Timeouts},
};

/// The name of the token file in the state folder.
pub const TOKEN_FILE: &str = "token.json";

/// The clock; tests may shift it.
pub fn clock(config: &Config) -> Clock {
    config
        .clock_file
        .clone()
        .map_or_else(Clock::system, Clock::shifted_by)
}

/// The addresses of the service, its timeouts, and how many connections upload in parallel.
pub fn settings(config: &Config) -> Settings {
    Settings {
        endpoints: Endpoints {
            api: config.api.endpoint.clone(),
            auth: config.api.auth_url.clone(),
            token: config.api.token_url.clone(),
            revoke: config.api.revoke_url.clone(),
        },
        parallel: config.upload.parallel,
        timeouts: Timeouts::default(),
    }
}

/// The sign-in of the account.
pub fn auth(config: &Config) -> Result<Auth, Error> {
    let files = AuthFiles {
        client_secret: config.account.client_secret_file.clone(),
        token: config.state_dir.join(TOKEN_FILE),
    };
    Auth::new(&settings(config), files, clock(config))
}

/// The client, with the sign-in of the account.
pub fn client(config: &Config) -> Result<Client, Error> {
    Client::new(&settings(config), auth(config)?)
}
