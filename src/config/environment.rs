//! The environment variables and folders that decide where configuration and state are.
//!
//! No other part of the configuration reads the environment, so that tests can invent one.

use std::path::{Component, Path, PathBuf};

/// The name of the file in all folders where it is searched.
const FILE: &str = "config.toml";
/// The name of our folder below the XDG folders.
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
    /// `$CONFIGURATION_DIRECTORY`, set by systemd; the first if there are several.
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
    /// The environment of this process.
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

    /// Where a configuration is searched when none is named, in this order.
    pub fn usual_files(&self) -> Vec<PathBuf> {
        let of_systemd = self
            .configuration_directory
            .as_ref()
            .map(|folder| folder.join(FILE));
        of_systemd.into_iter().chain(self.own_file()).collect()
    }

    /// The user's own configuration, which `albumen init` writes.
    pub fn own_file(&self) -> Option<PathBuf> {
        let config_home = self.xdg_config_home.clone();
        let config_home = config_home.or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        Some(config_home.join(FOLDER).join(FILE))
    }

    /// The state folder when none is named.
    pub fn usual_state_dir(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.state_directory {
            return Some(folder.clone());
        }
        let state_home = self.xdg_state_home.clone();
        let state_home = state_home.or_else(|| Some(self.home.as_ref()?.join(".local/state")))?;
        Some(state_home.join(FOLDER))
    }

    /// A path of the command line or the environment: relative ones begin at the working directory.
    pub fn typed(&self, path: &Path) -> PathBuf {
        tidy(&self.cwd.join(path))
    }

    /// The absolute path for one that is written in the file: `~` is the home, and relative paths begin
    /// at `base`. None where there is no home.
    pub(super) fn resolve(&self, path: &Path, base: &Path) -> Option<PathBuf> {
        let path = match path.strip_prefix("~") {
            Ok(below) => self.home.as_ref()?.join(below),
            Err(_) => base.join(path),
        };
        Some(tidy(&path))
    }
}

/// Removes `.`, repeated slashes and `..`, so that one folder has one spelling. After a symbolic link,
/// `..` is the parent of the link's target, as for the file system.
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
    fn the_parent_of_a_link_is_the_parent_of_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("disk/album")).unwrap();
        std::os::unix::fs::symlink(root.join("disk/album"), root.join("link")).unwrap();
        assert_eq!(tidy(&root.join("link/../raw")), root.join("disk/raw"));
    }

    #[test]
    fn the_configuration_of_systemd_is_searched_before_that_of_xdg() {
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
    fn a_tilde_at_the_start_is_the_home() {
        let env = Environment {
            home: Some("/home/ada".into()),
            ..Environment::default()
        };
        let base = Path::new("/etc/albumen");
        let resolve = |path: &str| env.resolve(Path::new(path), base);
        assert_eq!(resolve("~"), Some("/home/ada".into()));
        assert_eq!(resolve("~/P"), Some("/home/ada/P".into()));
        assert_eq!(resolve("~//P"), Some("/home/ada/P".into()));
        assert_eq!(resolve("../P"), Some("/etc/P".into()));
        assert_eq!(resolve("a~b"), Some("/etc/albumen/a~b".into()));
        assert_eq!(Environment::default().resolve(Path::new("~"), base), None);
    }
}
