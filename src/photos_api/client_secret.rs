//! The file that the Cloud console hands out: which OAuth client Albumen is.

use std::{fs::File, io::Read as _, path::Path};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::escape::Escaped;

use super::{
    endpoints::is_loopback,
    error::{Error, Kind},
};

/// Far more than such a file holds (about 500 bytes).
const SIZE_MAX: u64 = 64 << 10;

/// Who Albumen is to the service.
#[derive(Debug)]
pub(super) struct ClientSecret {
    pub id: String,
    pub secret: SecretString,
    pub redirect: Redirect,
    /// Whether others of this machine can read the file.
    pub wide: bool,
}

/// Where the sign-in page may send the browser back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Any port of this machine: a client of the type `Desktop app`.
    AnyPort,
    /// Only the addresses that were registered: a client of the type `Web application`.
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
        let (text, wide) = text(path)?;
        let unknown = || {
            Error::new(
                Kind::Setup,
                &format!(
                    "the client secret file {} is not of the Cloud console's making",
                    Escaped::path(path)
                ),
            )
            .with_hint("in the Cloud console create an OAuth client of the type `Desktop app` and download its JSON file")
        };
        // The parser's message is not passed on: it can quote the file.
        let document: Document = serde_json::from_str(&text).map_err(|_| unknown())?;
        let (entry, redirect) = match (document.installed, document.web) {
            (Some(entry), _) => (entry, Redirect::AnyPort),
            (None, Some(entry)) => {
                let registered = entry.redirect_uris.iter().find_map(|text| loopback(text));
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
            wide,
        })
    }
}

fn text(path: &Path) -> Result<(String, bool), Error> {
    let unreadable = |error| {
        Error::new(
            Kind::Setup,
            &format!(
                "the client secret file {} cannot be read",
                Escaped::path(path)
            ),
        )
        .with_source(error)
        .with_hint("in the Cloud console create an OAuth client of the type `Desktop app`, download its JSON file and name it in `account.client_secret_file`")
    };
    let file = File::open(path).map_err(unreadable)?;
    let wide = super::token_file::is_wide(&file.metadata().map_err(unreadable)?);
    let mut text = String::new();
    file.take(SIZE_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok((text, wide))
}

fn loopback(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "http" && is_loopback(url))
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
    fn both_shapes_of_the_file_are_read() {
        let desktop = read(r#"{"installed":{"client_id":"a","client_secret":"s","project_id":"p","redirect_uris":["http://localhost"]}}"#).unwrap();
        assert_eq!((desktop.id.as_str(), desktop.wide), ("a", false));
        assert_eq!(desktop.secret.expose_secret(), "s");
        assert_eq!(desktop.redirect, Redirect::AnyPort);
        let web = read(r#"{"web":{"client_id":"a","client_secret":"s","redirect_uris":["https://x.example/","http://127.0.0.1:9999/back"]}}"#).unwrap();
        let registered = "http://127.0.0.1:9999/back".parse().unwrap();
        assert_eq!(web.redirect, Redirect::Registered(Some(registered)));
    }

    #[test]
    fn what_is_no_client_secret_is_refused_without_being_quoted() {
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
    fn a_client_secret_that_others_can_read_is_read_and_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            r#"{"installed":{"client_id":"a","client_secret":"s"}}"#,
        )
        .unwrap();
        let wide = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(file.path(), wide).unwrap();
        assert!(ClientSecret::read(file.path()).unwrap().wide);
    }
}
