use std::fs;

use super::*;

fn places(folders: &[&Path]) -> Places {
    Places::new(folders.iter().map(Folder::with_defaults)).unwrap()
}

fn held(places: &mut Places, path: impl AsRef<Path>) -> (PathBuf, PathBuf, bool) {
    let path = path.as_ref();
    let (place, relative) = places.holder(path, path.is_dir()).unwrap();
    (place.root().to_owned(), relative, place.is_configured)
}

#[test]
fn of_overlapping_folders_the_deepest_holds_a_file() {
    let mut places = places(&[Path::new("/p"), Path::new("/p/raw"), Path::new("/q")]);
    let nested = |number| places.get(number).unwrap().tree.nested.clone();
    assert_eq!(nested(0), [PathBuf::from("/p/raw")]);
    assert!(nested(1).is_empty());
    let mut held = |path| held(&mut places, path);
    assert_eq!(
        held("/p/raw/a.jpg"),
        ("/p/raw".into(), "a.jpg".into(), true)
    );
    assert_eq!(
        held("/p/rawer/a.jpg"),
        ("/p".into(), "rawer/a.jpg".into(), true)
    );
    assert_eq!(held("/r/a.jpg"), ("/r".into(), "a.jpg".into(), false));
}

#[test]
fn a_file_is_found_behind_links_and_a_link_at_its_end_is_itself() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let pictures = root.join("pictures");
    fs::create_dir_all(root.join("disk/2024")).unwrap();
    std::os::unix::fs::symlink(root.join("disk"), &pictures).unwrap();
    std::os::unix::fs::symlink(&root, root.join("disk/out.jpg")).unwrap();
    let mut places = places(&[&root, &pictures]);
    let mut held = |path| held(&mut places, root.join(path));
    let in_pictures = |relative: &str| (pictures.clone(), relative.into(), true);
    assert_eq!(held("disk/2024/a.jpg"), in_pictures("2024/a.jpg"));
    assert_eq!(held("pictures/missing/a.jpg"), in_pictures("missing/a.jpg"));
    assert_eq!(held("pictures"), in_pictures(""));
    assert_eq!(held("disk"), in_pictures(""));
    assert_eq!(held("pictures/out.jpg"), in_pictures("out.jpg"));
}

#[test]
fn a_path_outside_is_a_place_of_its_own_and_folders_inside_it_keep_their_rules() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().canonicalize().unwrap().join("all");
    let mine = all.join("mine");
    fs::create_dir_all(&mine).unwrap();
    for name in ["a.jpg", "a.txt"] {
        fs::write(all.join(name), "").unwrap();
    }
    let asked = |path: &Path| {
        let mut places = places(&[&mine]);
        let asked = places.resolve_all(&[path.to_owned()])?;
        let part = |(number, part)| {
            let place = places.get(number).unwrap();
            (place.root().to_owned(), part, place.is_configured)
        };
        let parts: Vec<_> = asked.parts.into_iter().map(part).collect();
        Ok::<_, Error>((parts, asked.left_out))
    };
    let both = vec![
        (mine.clone(), Part::Whole, true),
        (all.clone(), Part::Whole, false),
    ];
    assert_eq!(asked(&all).unwrap(), (both, Vec::new()));
    let one = Part::Files {
        dir: PathBuf::new(),
        names: vec!["a.jpg".into()],
    };
    let alone = vec![(all.clone(), one, false)];
    assert_eq!(asked(&all.join("a.jpg")).unwrap(), (alone, Vec::new()));
    let (parts, left_out) = asked(&all.join("a.txt")).unwrap();
    assert_eq!((parts.len(), left_out.len()), (0, 1));
    assert_eq!(left_out[0].0, all.join("a.txt"));
    let missing = asked(&all.join("missing")).unwrap_err().to_string();
    assert!(missing.contains("missing"), "{missing}");
}
