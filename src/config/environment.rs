//! What the surroundings of the process say: where the configuration is, where the state belongs.
//!
//! Nothing else in the configuration reads the environment, so that tests can make one up.

use std::path::{Component, Path, PathBuf};

/// The name of the file in whichever folder it is found.
const FILE: &str = "config.toml";
/// Our folder below the XDG ones.
const FOLDER: &str = "albumen";

/// The variables and folders that the configuration depends on. An empty variable is an unset one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$ALBUMEN_CONFIG`: the configuration file.
    pub albumen_config: Option<PathBuf>,
    /// `$ALBUMEN_CLOCK`: the file that shifts the clock, for tests.
    pub albumen_clock: Option<PathBuf>,
    /// `$ALBUMEN_CRASH`: the moment at which the program is killed, for tests.
    pub albumen_crash: Option<String>,
    /// `$CONFIGURATION_DIRECTORY`, from systemd; the first if there are several.
    pub configuration_directory: Option<PathBuf>,
    /// `$STATE_DIRECTORY`, from systemd; the first if there are several.
    pub state_directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`, from systemd.
    pub credentials_directory: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`; relative ones are ignored, as the XDG specification wants.
    pub xdg_config_home: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, likewise.
    pub xdg_state_home: Option<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The working directory; empty if it is gone.
    pub cwd: PathBuf,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let var = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let first = |name: &str| {
            let value = std::env::var_os(name)?;
            std::env::split_paths(&value).find(|path| !path.as_os_str().is_empty())
        };
        Self {
            albumen_config: var("ALBUMEN_CONFIG"),
            albumen_clock: var("ALBUMEN_CLOCK"),
            albumen_crash: std::env::var("ALBUMEN_CRASH").ok(),
            configuration_directory: first("CONFIGURATION_DIRECTORY"),
            state_directory: first("STATE_DIRECTORY"),
            credentials_directory: var("CREDENTIALS_DIRECTORY"),
            xdg_config_home: var("XDG_CONFIG_HOME").filter(|path| path.is_absolute()),
            xdg_state_home: var("XDG_STATE_HOME").filter(|path| path.is_absolute()),
            home: etcetera::home_dir().ok(),
            cwd: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Where a configuration is looked for when none is named, in this order.
    pub fn usual_files(&self) -> Vec<PathBuf> {
        let of_systemd = self
            .configuration_directory
            .as_ref()
            .map(|folder| folder.join(FILE));
        of_systemd.into_iter().chain(self.own_file()).collect()
    }

    /// Where a user's own configuration belongs: where `albumen init` writes it.
    pub fn own_file(&self) -> Option<PathBuf> {
        let config_home = self.xdg_config_home.clone();
        let config_home = config_home.or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        Some(config_home.join(FOLDER).join(FILE))
    }

    /// Where the state belongs when nobody says.
    pub fn usual_state_dir(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.state_directory {
            return Some(folder.clone());
        }
        let state_home = self.xdg_state_home.clone();
        let state_home = state_home.or_else(|| Some(self.home.as_ref()?.join(".local/state")))?;
        Some(state_home.join(FOLDER))
    }

    /// What was typed, as seen from the working directory.
    pub fn typed(&self, path: &Path) -> PathBuf {
        tidy(&self.cwd.join(path))
    }

    /// A path of the file: `~` is the home, what is relative is so to `base`. The error is words.
    pub(super) fn written(&self, text: &str, base: &Path) -> Result<PathBuf, &'static str> {
        if text.is_empty() {
            return Err("a path cannot be empty");
        }
        let Some(below_home) = text.strip_prefix('~') else {
            return Ok(tidy(&base.join(text)));
        };
        let below_home = match below_home.strip_prefix('/') {
            Some(rest) => rest.trim_start_matches('/'),
            None if below_home.is_empty() => "",
            None => return Err("`~` stands for your own home only; write other homes in full"),
        };
        let home = self.home.as_ref();
        let home = home.ok_or("`~` cannot be expanded: this user has no home")?;
        Ok(tidy(&home.join(below_home)))
    }
}

/// Takes `.`, doubled slashes and `..` out, so that one folder has one spelling. Behind a symbolic
/// link `..` is what the file system says it is.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidied.as_os_str().is_empty() || tidied.ends_with("..") => {
                tidied.push("..");
            }
            Component::ParentDir => {
                if tidied.is_symlink()
                    && let Ok(real) = tidied.canonicalize()
                {
                    tidied = real;
                }
                tidied.pop();
            }
            other => tidied.push(other),
        }
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_has_one_spelling() {
        assert_eq!(tidy(Path::new("/a//b/./c/")), Path::new("/a/b/c"));
        assert_eq!(tidy(Path::new("/a/b/../c")), Path::new("/a/c"));
        assert_eq!(tidy(Path::new("/../a")), Path::new("/a"));
        assert_eq!(tidy(Path::new("../../a")), Path::new("../../a"));
    }

    #[cfg(unix)]
    #[test]
    fn the_parent_of_a_linked_folder_is_where_the_link_leads() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("disk/album")).unwrap();
        std::os::unix::fs::symlink(root.join("disk/album"), root.join("link")).unwrap();
        assert_eq!(tidy(&root.join("link/../raw")), root.join("disk/raw"));
    }

    #[test]
    fn the_configuration_is_looked_for_with_systemd_and_then_with_xdg() {
        let env = Environment {
            configuration_directory: Some("/etc/albumen/ada".into()),
            home: Some("/home/ada".into()),
            ..Environment::default()
        };
        assert_eq!(
            env.usual_files(),
            [
                Path::new("/etc/albumen/ada/config.toml"),
                Path::new("/home/ada/.config/albumen/config.toml")
            ]
        );
        let env = Environment {
            xdg_config_home: Some("/xdg".into()),
            ..env
        };
        assert_eq!(
            env.own_file().as_deref(),
            Some(Path::new("/xdg/albumen/config.toml"))
        );
    }

    #[test]
    fn a_tilde_is_the_own_home_and_nothing_else() {
        let env = Environment {
            home: Some("/home/ada".into()),
            ..Environment::default()
        };
        let base = Path::new("/etc/albumen");
        assert_eq!(env.written("~", base), Ok("/home/ada".into()));
        assert_eq!(env.written("~/P", base), Ok("/home/ada/P".into()));
        assert_eq!(env.written("../P", base), Ok("/etc/P".into()));
        assert_eq!(env.written("a~b", base), Ok("/etc/albumen/a~b".into()));
        assert!(env.written("~bob/P", base).is_err());
        assert!(env.written("", base).is_err());
        assert!(Environment::default().written("~", base).is_err());
    }
}
