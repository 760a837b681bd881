//! `after_upload`, checked against everything else: files are moved or deleted only behind a read-back,
//! and never to where they would be found and taken again.

use std::path::{Component, Path, PathBuf};

use super::{
    error::Fault,
    globs::Globs,
    schema,
    settings::{AfterUpload, Folder, Verify},
};

/// Checks what each folder asks for; `written` are the same folders as in the file.
pub(super) fn check(
    folders: &[Folder],
    written: &[schema::Folder],
    verify: &Verify,
) -> Result<(), Fault> {
    for (folder, written) in folders.iter().zip(written) {
        let span = written.after_upload.as_ref().map(toml::Spanned::span);
        let fault = |message: String| Fault::within(span.clone(), message);
        if folder.after_upload == AfterUpload::Keep {
            continue;
        }
        if verify.after.is_none() {
            let message = "files are moved or deleted only once Google Photos was asked for them, \
                           and `verify.after` is \"never\"";
            return Err(fault(message.to_owned())
                .hint("under [verify] write for example after = \"10m\", or here \"keep\""));
        }
        if let AfterUpload::Move(target) = &folder.after_upload
            && let Some(holder) = holder(folders, target)
        {
            let message = format!(
                "the files would be found again: `{}` is a folder that goes up",
                holder.path.display()
            );
            return Err(
                fault(message).hint("name a folder outside of it, or one that its `exclude` names")
            );
        }
    }
    Ok(())
}

/// The folder in which a file below `target` would be found, if it is one.
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
    let unavailable_files = !is_root && !folder.recursive;
    (!unavailable_files && !is_excluded(folder, &below)).then_some(folder)
}

/// Whether a pattern of `exclude` names the directory `below` the folder's root, or one that it is in:
/// what is below a directory that a pattern names is not taken either.
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

/// The path with links resolved as far as it exists, and without `.` and `..`: another name of a
/// folder is the same folder.
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
    for there in plain.ancestors() {
        if let Ok(resolved) = there.canonicalize() {
            let rest = plain.strip_prefix(there).unwrap_or(Path::new(""));
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
    fn files_are_not_let_go_where_nobody_asks_for_them() {
        let text = "verify.after = 'never'\n[[folder]]\npath = '~/P'\nafter_upload = 'delete'\n";
        let refusal = refusal(text).unwrap();
        assert!(refusal.contains("`verify.after` is \"never\""), "{refusal}");
        assert!(refusal.contains("hint: under [verify] write"), "{refusal}");
    }
}
