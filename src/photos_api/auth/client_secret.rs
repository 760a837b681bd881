//! The client secret file, downloaded from the Cloud console: the OAuth client that Albumen is.

use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::escape::Escaped;

use super::{
    super::{
        error::{Error, Kind},
        transport::is_loopback,
    },
    token_file,
};

/// Reads the id of the OAuth client in a client secret file; blocking.
pub fn client_id_of(client_secret: &Path) -> Result<String, Error> {
    ClientSecret::read(client_secret).map(|secret| secret.id)
}

/// An OAuth client.
#[derive(Debug)]
pub(super) struct ClientSecret {
    pub id: String,
    pub secret: SecretString,
    pub redirect: Redirect,
    /// Whether other users of this machine can read the file.
    pub is_public: bool,
}

/// Where the sign-in page may redirect the browser to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Any port of this machine: a client of the type `Desktop app`.
    AnyPort,
    /// The registered address of this machine, if there is one: a client of the type `Web application`.
    Registered(Option<Url>),
}

#[derive(Deserialize)]
struct Document {
    installed: Option<Entry>,
    web: Option<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    client_id: String,
    client_secret: SecretString,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

impl ClientSecret {
    /// Reads the file; blocking.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let failed = |what| {
            let words = format!("the client secret file {} {what}", Escaped::path(path));
            Error::new(Kind::Setup, &words)
        };
        let (text, is_public) = token_file::read_secret(path).map_err(|error| {
            failed("cannot be read")
                .with_source(error)
                .with_hint("in the Cloud console create an OAuth client of the type `Desktop app`, download its JSON file and name it in `account.client_secret_file`")
        })?;
        let unknown = || {
            failed("is not of the Cloud console's making")
                .with_hint("in the Cloud console create an OAuth client of the type `Desktop app` and download its JSON file")
        };
        // The parser's message is dropped: it can quote the file.
        let document: Document = serde_json::from_str(&text).map_err(|_| unknown())?;
        let (entry, redirect) = match (document.installed, document.web) {
            (Some(entry), _) => (entry, Redirect::AnyPort),
            (None, Some(entry)) => {
                let mut urls = entry
                    .redirect_uris
                    .iter()
                    .filter_map(|text| Url::parse(text).ok());
                let registered = urls.find(|url| url.scheme() == "http" && is_loopback(url));
                (entry, Redirect::Registered(registered))
            }
            (None, None) => return Err(unknown()),
        };
        if entry.client_id.is_empty() {
            return Err(unknown());
        }
        Ok(Self {
            id: entry.client_id,
            secret: entry.client_secret,
            redirect,
            is_public,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn read(text: &str) -> Result<ClientSecret, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        ClientSecret::read(file.path())
    }

    #[test]
    fn both_formats_of_the_file_are_read() {
        let desktop = read(r#"{"installed":{"client_id":"a","client_secret":"s","project_id":"p","redirect_uris":["http://localhost"]}}"#).unwrap();
        assert_eq!((desktop.id.as_str(), desktop.is_public), ("a", false));
        assert_eq!(desktop.secret.expose_secret(), "s");
        assert_eq!(desktop.redirect, Redirect::AnyPort);
        let web = read(r#"{"web":{"client_id":"a","client_secret":"s","redirect_uris":["https://x.example/","http://127.0.0.1:9999/back"]}}"#).unwrap();
        let registered = "http://127.0.0.1:9999/back".parse().unwrap();
        assert_eq!(web.redirect, Redirect::Registered(Some(registered)));
    }

    #[test]
    fn other_content_is_refused_without_being_quoted() {
        for text in ["", "{}", r#"{"installed":{"client_id":"hush"}}"#, "[1]"] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Setup);
            assert!(error.hint().unwrap().contains("Desktop app"));
            assert!(!format!("{error:?}").contains("hush"));
        }
        let missing = ClientSecret::read(Path::new("/nonexistent/client_secret.json"));
        assert!(missing.unwrap_err().io().is_some());
    }

    #[test]
    fn a_client_secret_that_others_can_read_is_marked() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            r#"{"installed":{"client_id":"a","client_secret":"s"}}"#,
        )
        .unwrap();
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(file.path(), mode).unwrap();
        assert!(ClientSecret::read(file.path()).unwrap().is_public);
    }
}
