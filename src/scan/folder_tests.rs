use std::{collections::BTreeSet, fs};

use super::*;

fn folders_at(paths: &[&Path]) -> Folders {
    Folders::new(paths.iter().map(config::Folder::with_defaults)).unwrap()
}

fn located(folders: &mut Folders, path: impl AsRef<Path>) -> (PathBuf, PathBuf, bool) {
    let path = path.as_ref();
    let (_, folder, relative) = folders.locate(path, path.is_dir()).unwrap();
    (folder.root().to_owned(), relative, folder.is_configured)
}

#[test]
fn a_file_in_overlapping_folders_belongs_to_the_deepest() {
    let mut folders = folders_at(&[Path::new("/p"), Path::new("/p/raw"), Path::new("/q")]);
    let nested = |number| folders.get(number).unwrap().tree.nested.clone();
    assert_eq!(nested(0), [PathBuf::from("/p/raw")]);
    assert!(nested(1).is_empty());
    let mut located = |path| located(&mut folders, path);
    assert_eq!(
        located("/p/raw/a.jpg"),
        ("/p/raw".into(), "a.jpg".into(), true)
    );
    assert_eq!(
        located("/p/rawer/a.jpg"),
        ("/p".into(), "rawer/a.jpg".into(), true)
    );
    assert_eq!(located("/r/a.jpg"), ("/r".into(), "a.jpg".into(), false));
}

#[test]
fn links_on_the_way_to_a_file_are_resolved_and_one_at_the_end_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let pictures = root.join("pictures");
    fs::create_dir_all(root.join("disk/2024")).unwrap();
    std::os::unix::fs::symlink(root.join("disk"), &pictures).unwrap();
    std::os::unix::fs::symlink(&root, root.join("disk/out.jpg")).unwrap();
    let mut folders = folders_at(&[&root, &pictures]);
    let mut located = |path| located(&mut folders, root.join(path));
    let in_pictures = |relative: &str| (pictures.clone(), relative.into(), true);
    assert_eq!(located("disk/2024/a.jpg"), in_pictures("2024/a.jpg"));
    assert_eq!(
        located("pictures/missing/a.jpg"),
        in_pictures("missing/a.jpg")
    );
    assert_eq!(located("pictures"), in_pictures(""));
    assert_eq!(located("disk"), in_pictures(""));
    assert_eq!(located("pictures/out.jpg"), in_pictures("out.jpg"));
}

#[test]
fn a_path_outside_is_a_folder_of_its_own_and_folders_inside_it_keep_their_rules() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().canonicalize().unwrap().join("all");
    let mine = all.join("mine");
    fs::create_dir_all(&mine).unwrap();
    for name in ["a.jpg", "a.txt"] {
        fs::write(all.join(name), "").unwrap();
    }
    let resolve = |path: &Path| {
        let mut folders = folders_at(&[&mine]);
        let resolved = folders.resolve(&[path.to_owned()])?;
        let scope = |(number, scope)| {
            let folder = folders.get(number).unwrap();
            (folder.root().to_owned(), scope, folder.is_configured)
        };
        let scopes: Vec<_> = resolved.scopes.into_iter().map(scope).collect();
        Ok::<_, Error>((scopes, resolved.left_out))
    };
    let both = vec![
        (mine.clone(), Scope::Folder, true),
        (all.clone(), Scope::Folder, false),
    ];
    assert_eq!(resolve(&all).unwrap(), (both, Vec::new()));
    let one = Scope::Files {
        dir: PathBuf::new(),
        names: BTreeSet::from(["a.jpg".into()]),
    };
    let alone = vec![(all.clone(), one, false)];
    assert_eq!(resolve(&all.join("a.jpg")).unwrap(), (alone, Vec::new()));
    let (scopes, left_out) = resolve(&all.join("a.txt")).unwrap();
    assert_eq!((scopes.len(), left_out.len()), (0, 1));
    assert_eq!(left_out[0].0, all.join("a.txt"));
    let missing = resolve(&all.join("missing")).unwrap_err().to_string();
    assert!(missing.contains("missing"), "{missing}");
}
