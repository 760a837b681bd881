//! A remote for Google Photos out of rclone's configuration, which is an ini file.

use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};

use super::gphotos_uploader::Client;
use crate::{
    config::Environment,
    escape::Escaped,
    exit_code::ExitCode,
    ui::error_report::{Failure, quoted},
};

/// How the line begins behind which everything is encrypted; the number is the version of the form.
const ENCRYPTED: &str = "RCLONE_ENCRYPT_V";

/// The type of the remotes that matter.
const TYPE: &str = "google photos";

/// Keys that concern rclone's own view of the library and mean nothing to an uploader.
const OF_RCLONE: [&str; 2] = ["start_year", "include_archived"];

/// A remote.
#[derive(Debug, PartialEq, Eq)]
pub struct Remote {
    pub(super) name: String,
    pub(super) client: Client,
    is_read_only: bool,
    has_token: bool,
    left: Vec<&'static str>,
}

/// Why there is no remote to be taken over.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// All of it is encrypted.
    Encrypted,
    /// It is no ini file, for this reason.
    NotIni(String),
    /// It has no remote for Google Photos.
    None,
    /// It has no remote of this name.
    NotThere(String),
    /// The remote of this name is of that type.
    OtherType(String, String),
    /// It has several remotes for Google Photos.
    Several(Vec<String>),
    /// It uses the client that comes with rclone.
    NoClient(String),
}

/// Where rclone keeps its configuration, as its documentation lists the places.
pub(super) fn usual_files(env: &Environment) -> Vec<PathBuf> {
    let named = std::env::var_os("RCLONE_CONFIG").filter(|value| !value.is_empty());
    if let Some(named) = named {
        return vec![env.typed(Path::new(&named))];
    }
    let home = env.home.clone().unwrap_or_default();
    let config = env.xdg_config_home.clone();
    let config = config.unwrap_or_else(|| home.join(".config"));
    vec![config.join("rclone/rclone.conf"), home.join(".rclone.conf")]
}

/// The remote of this name, or the only one that is for Google Photos.
pub fn parse(text: &str, wanted: Option<&str>) -> Result<Remote, Refusal> {
    if text.lines().any(|line| line.trim().starts_with(ENCRYPTED)) {
        return Err(Refusal::Encrypted);
    }
    // A token is JSON, with quotes and backslashes that mean nothing to the ini file.
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ParseOption::default()
    };
    let all = Ini::load_from_str_opt(text, options)
        .map_err(|error| Refusal::NotIni(format!("line {}: {}", error.line, error.msg)))?;
    let kind = |name: &str| {
        all.get_from(Some(name), "type")
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let name = match wanted.map(|name| name.trim_end_matches(':')) {
        Some(name) if all.section(Some(name)).is_none() => {
            return Err(Refusal::NotThere(name.to_owned()));
        }
        Some(name) if kind(name) != TYPE => {
            return Err(Refusal::OtherType(name.to_owned(), kind(name)));
        }
        Some(name) => name.to_owned(),
        None => {
            let mut names: Vec<String> = all
                .sections()
                .flatten()
                .filter(|name| kind(name) == TYPE)
                .map(str::to_owned)
                .collect();
            match (names.pop(), names.is_empty()) {
                (None, _) => return Err(Refusal::None),
                (Some(name), true) => name,
                (Some(last), false) => {
                    names.push(last);
                    return Err(Refusal::Several(names));
                }
            }
        }
    };
    let value = |key: &str| {
        all.get_from(Some(name.as_str()), key)
            .unwrap_or_default()
            .trim()
    };
    let (id, secret) = (value("client_id"), value("client_secret"));
    if id.is_empty() || secret.is_empty() {
        return Err(Refusal::NoClient(name));
    }
    Ok(Remote {
        client: Client::new(id, secret),
        is_read_only: value("read_only") == "true",
        has_token: !value("token").is_empty(),
        left: OF_RCLONE
            .into_iter()
            .filter(|key| !value(key).is_empty())
            .collect(),
        name: name.clone(),
    })
}

impl Remote {
    /// What is to be known about it, in words.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "rclone keeps no list of what it sent: after the login, `albumen rebuild` finds what is still \
             in your folders and was sent with this client; the rest goes up again, and Google Photos makes \
             no second item of equal bytes"
                .to_owned(),
        ];
        if self.has_token {
            notes.push(
                "rclone's login is not taken over, because it does not say what it allows: run `albumen \
                 login`; rclone keeps its own"
                    .to_owned(),
            );
        }
        if self.is_read_only {
            notes.push(
                "the remote is `read_only`; Albumen's login asks for what uploading needs"
                    .to_owned(),
            );
        }
        for key in &self.left {
            notes.push(format!(
                "`{key}` concerns rclone's view of the library and has no counterpart"
            ));
        }
        notes
    }

    /// A configuration to begin with.
    pub fn configuration(&self) -> String {
        let name = Escaped::text(&self.name);
        format!(
            "# The client is that of rclone's remote \"{name}\". rclone keeps no list of folders: name yours.\n\
             # What was copied to \"{name}:album/TITLE\" went to an album, to \"{name}:upload\" to none.\n\
             #\n\
             # [[folder]]\n\
             # path = \"~/Pictures\"\n\
             # album = \"folder\"\n"
        )
    }
}

impl Refusal {
    /// As it is told.
    pub(super) fn in_file(self, file: &Path) -> Failure {
        let file = quoted(file);
        let (words, hint) = match self {
            Self::Encrypted => (
                format!("{file} is encrypted"),
                "`rclone config show > plain.conf` writes it out, `--from plain.conf` reads that; delete it \
                 afterwards"
                    .to_owned(),
            ),
            Self::NotIni(why) => (
                format!("{file} cannot be understood: {why}"),
                "see whether `rclone config show` accepts it".to_owned(),
            ),
            Self::None => (
                format!("{file} has no remote of the type `{TYPE}`"),
                "name another file with `--from`".to_owned(),
            ),
            Self::NotThere(name) => (
                format!("{file} has no remote called `{}`", Escaped::text(&name)),
                "`rclone listremotes` lists them".to_owned(),
            ),
            Self::OtherType(name, kind) => (
                format!(
                    "the remote `{}` is of the type `{}`, not `{TYPE}`",
                    Escaped::text(&name),
                    Escaped::text(&kind)
                ),
                "`rclone listremotes --long` lists the types".to_owned(),
            ),
            Self::Several(names) => (
                format!(
                    "{file} has several remotes for Google Photos: {}",
                    Escaped::text(&names.join(", "))
                ),
                "name one: `albumen import rclone REMOTE`".to_owned(),
            ),
            Self::NoClient(name) => (
                format!(
                    "the remote `{}` uses the client that comes with rclone, which only rclone can use and \
                     see through: there is nothing to take over",
                    Escaped::text(&name)
                ),
                "make an OAuth client of your own, as the README tells, and begin with `albumen init`"
                    .to_owned(),
            ),
        };
        Failure::new(ExitCode::Unusable, words).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `rclone config` writes it.
    const CONF: &str = r#"[drive]
type = drive
client_id = x

[gphotos]
type = google photos
client_id = 123.apps.googleusercontent.com
client_secret = hu\sh
read_only = true
start_year = 2010
token = {"access_token":"ya29.A","token_type":"Bearer","refresh_token":"1//0","expiry":"2024-05-01T12:00:00.1+02:00"}

[shared]
type = google photos
token = {"access_token":"ya29.B"}
"#;

    #[test]
    fn a_remote_is_found_by_its_name_or_by_being_the_only_one() {
        let remote = parse(CONF, Some("gphotos:")).unwrap();
        assert_eq!(
            remote.client,
            Client::new("123.apps.googleusercontent.com", r"hu\sh")
        );
        assert!(remote.is_read_only && remote.has_token);
        assert_eq!(remote.left, ["start_year"]);
        let only = CONF.split("[shared]").next().unwrap();
        assert_eq!(parse(only, None).unwrap().name, "gphotos");
    }

    #[test]
    fn every_refusal_is_told_apart() {
        let several = Refusal::Several(vec!["gphotos".to_owned(), "shared".to_owned()]);
        assert_eq!(parse(CONF, None), Err(several));
        let refused = |name| parse(CONF, Some(name)).unwrap_err();
        assert_eq!(refused("shared"), Refusal::NoClient("shared".to_owned()));
        assert_eq!(refused("no"), Refusal::NotThere("no".to_owned()));
        let other = Refusal::OtherType("drive".to_owned(), "drive".to_owned());
        assert_eq!(refused("drive"), other);
        assert_eq!(parse("", None), Err(Refusal::None));
        let encrypted = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n";
        assert_eq!(parse(encrypted, None), Err(Refusal::Encrypted));
        assert!(matches!(parse("[a\nb", None), Err(Refusal::NotIni(_))));
    }
}
