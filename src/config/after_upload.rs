//! Checks `after_upload` against the rest of the configuration: files are moved or deleted only after
//! they were verified, and never moved to where they would be found and uploaded again.

use std::path::{Component, Path, PathBuf};

use super::{
    Config,
    error::{Document, Problem},
    folder::{AfterUpload, Folder},
    globs::Globs,
};

pub(super) fn check(config: &Config, document: &Document<'_>) -> Result<(), Problem> {
    for (index, folder) in config.folders.iter().enumerate() {
        let problem = |message: &str| {
            document.problem(&format!("folder.{index}.after_upload"), message.to_owned())
        };
        if folder.after_upload != AfterUpload::Keep && config.verify.after.is_none() {
            let message = "files are moved or deleted only once Google Photos was asked for them, \
                           and `verify.after` is \"never\"";
            let hint = "under [verify] write for example after = \"10m\", or here \"keep\"";
            return Err(problem(message).hint(hint));
        }
        if let AfterUpload::Move(target) = &folder.after_upload
            && let Some(holder) = holder(&config.folders, target)
        {
            let message = format!(
                "the files would be found again: `{}` is a folder that goes up",
                holder.path.display()
            );
            let hint = "name a folder outside of it, or one that its `exclude` names";
            return Err(problem(&message).hint(hint));
        }
    }
    Ok(())
}

/// The configured folder whose scan would find a file below `target`.
fn holder<'a>(folders: &'a [Folder], target: &Path) -> Option<&'a Folder> {
    let target = real(target);
    let deepest = folders
        .iter()
        .filter_map(|folder| {
            Some((
                folder,
                target.strip_prefix(real(&folder.path)).ok()?.to_owned(),
            ))
        })
        .min_by_key(|(_, below)| below.components().count());
    let (folder, below) = deepest?;
    let is_root = below.as_os_str().is_empty();
    let is_scanned = (is_root || folder.recursive) && !is_excluded(folder, &below);
    is_scanned.then_some(folder)
}

/// Whether `exclude` matches the directory `below` the folder's root, or one of its parents, which
/// excludes everything in it.
fn is_excluded(folder: &Folder, below: &Path) -> bool {
    let Ok(exclude) = Globs::new("exclude", &folder.exclude) else {
        return false;
    };
    below.ancestors().any(|dir| {
        let above = dir.parent().unwrap_or(Path::new(""));
        let name = dir.file_name();
        name.is_some_and(|name| exclude.find(above, name, true).is_some())
    })
}

/// The path without `.` and `..`, with links resolved as far as it exists: two names of one folder
/// become equal.
fn real(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain = plain.canonicalize().unwrap_or(plain);
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    for existing in plain.ancestors() {
        if let Ok(resolved) = existing.canonicalize() {
            let rest = plain.strip_prefix(existing).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() {
                resolved
            } else {
                resolved.join(rest)
            };
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::tests::Home;

    fn refusal(folders: &str) -> Option<String> {
        let home = Home::new();
        match home.load(folders) {
            Ok(_) => None,
            Err(_) => Some(home.refusal(folders)),
        }
    }

    #[test]
    fn files_are_not_moved_to_where_they_would_be_found_again() {
        for (rules, is_fine) in [
            ("after_upload = 'move:~/Uploaded'", true),
            ("after_upload = 'move:~/Photos'", false),
            ("after_upload = 'move:~/Photos/done'", false),
            ("after_upload = 'move:~/Else/../Photos/./done'", false),
            (
                "after_upload = 'move:~/Photos/done'\nexclude = ['done/']",
                true,
            ),
            (
                "after_upload = 'move:~/Photos/a/done/b'\nexclude = ['DONE']",
                true,
            ),
            (
                "after_upload = 'move:~/Photos/a/done'\nexclude = ['a/done/**']",
                true,
            ),
            (
                "after_upload = 'move:~/Photos/done'\nexclude = ['./done/**/**']",
                true,
            ),
            (
                "after_upload = 'move:~/Photos/a/done'\nexclude = ['done/a']",
                false,
            ),
            (
                "after_upload = 'move:~/Photos/done'\nrecursive = false",
                true,
            ),
            ("after_upload = 'move:~/Photos'\nrecursive = false", false),
            (
                "after_upload = 'move:~/Other/x'\n[[folder]]\npath = '~/Other'",
                false,
            ),
            ("after_upload = 'delete'", true),
        ] {
            let text = format!("[[folder]]\npath = '~/Photos'\n{rules}\n");
            let refusal = refusal(&text);
            assert_eq!(refusal.is_none(), is_fine, "{text}{refusal:?}");
            if let Some(refusal) = refusal {
                assert!(
                    refusal.starts_with("the files would be found again: `HOME/"),
                    "{refusal}"
                );
                assert!(refusal.contains("c.toml:3:16"), "{refusal}");
            }
        }
    }

    #[test]
    fn a_folder_behind_a_link_is_the_same_folder() {
        let home = Home::new();
        std::fs::create_dir(home.path("Photos")).unwrap();
        std::os::unix::fs::symlink(home.path("Photos"), home.path("Link")).unwrap();
        let text = "[[folder]]\npath = '~/Photos'\nafter_upload = 'move:~/Link/done'\n";
        assert!(home.refusal(text).contains("would be found again"));
    }

    #[test]
    fn files_are_not_deleted_where_they_are_never_verified() {
        let text = "verify.after = 'never'\n[[folder]]\npath = '~/P'\nafter_upload = 'delete'\n";
        let refusal = refusal(text).unwrap();
        assert!(refusal.contains("`verify.after` is \"never\""), "{refusal}");
        assert!(refusal.contains("hint: under [verify] write"), "{refusal}");
    }
}
