//! The end of a sign-in: the access is given back to the service, and the token file goes.

use secrecy::ExposeSecret as _;

use super::{
    auth::Auth,
    classify,
    error::{Error, Kind},
    token_file::{self, Tokens},
    transport::{self, SMALL_LIMIT},
};

impl Auth {
    /// Ends the sign-in at the service, then removes the token file. Done as well if the service no
    /// longer knows it, and with a file that others can read: that one all the more.
    pub async fn revoke(&self) -> Result<(), Error> {
        let tokens = Tokens::read_even_wide(self.token_file())?;
        let http = transport::json_client(self.revoke_url(), self.timeouts())?;
        let request = http
            .post(self.revoke_url().clone())
            .timeout(self.timeouts().read)
            .form(&[("token", tokens.refresh_token.expose_secret())])
            .build()
            .map_err(transport::failure)?;
        let reply = transport::exchange(&http, request, SMALL_LIMIT).await?;
        if reply.status.is_redirection() {
            return Err(classify::redirect(reply.status, &reply.headers));
        }
        if !reply.status.is_success() && reply.status != http::StatusCode::BAD_REQUEST {
            return Err(Error::new(Kind::Server, "the access was not withdrawn")
                .with_status(reply.status)
                .with_hint(
                    "try again, or remove the access at https://myaccount.google.com/connections",
                ));
        }
        self.forget()
    }

    /// Removes the token file without a word to the service.
    pub fn forget(&self) -> Result<(), Error> {
        token_file::remove(self.token_file()).map_err(|error| {
            Error::new(Kind::Setup, "the token file cannot be removed").with_source(error)
        })
    }
}
