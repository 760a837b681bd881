//! Whose sign-in it is: the client that made what is in the library, the scopes that were granted, and
//! a sign-in that was made on another machine.
//!
//! A client sees and changes only what the same OAuth client made (fact sheet, section 1.4). So
//! nothing is sent with a sign-in of another client before the user has said that this is meant.

use std::path::Path;

use jiff::Timestamp;

use super::{
    auth::{Auth, blocking},
    error::{Error, Kind},
    file_version::Stamp,
    login::SCOPES,
    token_file::Tokens,
};

/// What can be done about a sign-in of another client.
const CHOICES: &str = "only the old client can change what it made: put its client secret file back and run `albumen login`; \
     or go on with the new one: `albumen login --new-client`, which leaves what is in the library as it is and makes albums anew";

/// The sign-in is of another client than the one that made what is in the library.
pub fn other_client(library_client_id: &str, now_with: &str) -> Error {
    let words = format!(
        "the library was filled by the OAuth client {library_client_id}, and this is {now_with}"
    );
    Error::new(Kind::LoginNeeded, &words).with_hint(CHOICES)
}

/// Why a sign-in cannot be used as it stands in its file; none if it can.
pub(super) fn objection(tokens: &Tokens, library_client_id: Option<&str>) -> Option<Error> {
    match library_client_id {
        Some(library_client_id) if library_client_id != tokens.client_id => {
            Some(other_client(library_client_id, &tokens.client_id))
        }
        _ => missing_scopes(&tokens.scopes),
    }
}

/// The error that names the scopes which were not granted; none if all were.
pub(super) fn missing_scopes(granted: &[String]) -> Option<Error> {
    let missing: Vec<_> = SCOPES
        .into_iter()
        .filter(|scope| !granted.iter().any(|granted| granted == scope))
        .map(|scope| scope.rsplit('/').next().unwrap_or(scope))
        .collect();
    (!missing.is_empty()).then(|| {
        let words = format!("not granted: {}", missing.join(", "));
        Error::new(Kind::ScopeMissing, &words)
    })
}

impl Auth {
    /// What is in the library was made with this client; no other may be used unless the user says so.
    pub fn library_client_id(&self, client_id: Option<String>) {
        let mut state = self.state();
        let in_use = state.tokens.as_ref().map(|tokens| &tokens.client_id);
        let is_judged = state.dead.is_none() && in_use.is_some() && in_use == client_id.as_ref();
        state.library_client_id = client_id;
        if is_judged {
            return;
        }
        // What was read is judged anew at the next look; it has not changed by that.
        state.tokens = None;
        state.dead = None;
    }

    /// The client that the user wants to go on with instead of the one that made what is there.
    pub fn wants_new_client(&self) -> Option<String> {
        let file = self.token_file();
        let state = self.state();
        let library_client_id = state.library_client_id.as_ref()?;
        // Looked at, and not taken over: who waits for a sign-in must see that the file has changed.
        let known = state.tokens.clone();
        let tokens = match known.filter(|_| Stamp::of(file) == state.stamp) {
            Some(tokens) => Some(tokens),
            None => Tokens::read(file).ok(),
        };
        let tokens = tokens.filter(|tokens| tokens.new_client)?;
        (*library_client_id != tokens.client_id).then_some(tokens.client_id)
    }

    /// The client of the sign-in that is in use and when its user consented; none if nobody is.
    pub fn in_use(&self) -> Option<(String, Timestamp)> {
        let state = self.state();
        let tokens = state.tokens.as_ref()?;
        Some((tokens.client_id.clone(), tokens.obtained_at))
    }

    /// Takes over a token file that was made by a sign-in on another machine, once the service has
    /// accepted_on that it works here.
    pub async fn carry_over(&self, from: &Path, new_client: bool) -> Result<(), Error> {
        let path = from.to_owned();
        let mut tokens = blocking(move || Tokens::read_given(&path)).await?;
        let secret = self.client_secret().await?;
        if tokens.client_id != secret.id {
            return Err(Error::new(
                Kind::Setup,
                "the token file was made with another OAuth client than the client secret file names",
            )
            .with_hint("copy the client secret file of that machine as well"));
        }
        if let Some(error) = missing_scopes(&tokens.scopes) {
            return Err(error);
        }
        let now = self.clock().now();
        let given = self.server().refresh(&secret, &tokens, now).await?;
        if let Some(error) = given.scopes.as_deref().and_then(missing_scopes) {
            return Err(error);
        }
        tokens.access_token = given.access_token;
        tokens.expires_at = crate::clock::after(now, given.lifetime);
        if let Some(refresh_token) = given.refresh_token {
            tokens.refresh_token = refresh_token;
        }
        tokens.new_client = new_client;
        self.keep(tokens).await
    }
}
