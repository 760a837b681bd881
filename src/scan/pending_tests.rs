use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn pending_scans(now: Instant) -> PendingScans {
    let timing = Timing {
        settle: 5 * SECOND,
        rescan: Some(3600 * SECOND),
    };
    PendingScans::new(timing, now)
}

fn files(dir: &str, names: &[&str]) -> Scope {
    Scope::Files {
        dir: dir.into(),
        names: names.iter().map(OsString::from).collect(),
    }
}

#[test]
fn events_are_collected_for_a_second_and_a_covered_directory_is_scanned_once() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    pending.add_changed_file(0, "a/b".into(), "x.jpg".into(), now);
    pending.add_changed_file(0, "c".into(), "y.jpg".into(), now);
    pending.add_changed_file(0, "c".into(), "z.jpg".into(), now);
    pending.add_changed_file(1, "a/b".into(), "x.jpg".into(), now);
    pending.add_event(0, Scope::Subtree("a".into()), now + SECOND / 2);
    pending.add_event(0, Scope::Subtree("a/b/c".into()), now + SECOND / 2);
    pending.add_event(0, Scope::Directory("a-b".into()), now + SECOND / 2);
    assert_eq!(pending.next(), Some(now + SECOND));
    assert_eq!(pending.take_due(now + SECOND / 2), Due::default());
    let expected = [
        (0, Scope::Subtree("a".into())),
        (0, Scope::Directory("a-b".into())),
        (0, files("c", &["y.jpg", "z.jpg"])),
        (1, files("a/b", &["x.jpg"])),
    ];
    assert_eq!(pending.take_due(now + SECOND).urgent, expected);
    assert_eq!(pending.take_due(now + SECOND), Due::default());
}

#[test]
fn many_files_become_a_scan_of_their_directory_but_missing_names_are_looked_up() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    for n in 0..=MAX_NAMES {
        pending.add_changed_file(0, "a".into(), n.to_string().into(), now);
    }
    pending.add_event(0, files("a", &["gone"]), now);
    let expected = [
        (0, Scope::Directory("a".into())),
        (0, files("a", &["gone"])),
    ];
    assert_eq!(pending.take_due(now + SECOND).urgent, expected);
}

#[test]
fn lost_events_cause_a_full_scan_at_once_but_not_all_the_time() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    pending.finish(0, &Scope::Folder, 60 * SECOND, now);
    pending.add_full_scan(now);
    assert!(pending.take_due(now).everything);
    pending.add_full_scan(now + SECOND);
    assert!(!pending.take_due(now + 599 * SECOND).everything);
    assert!(pending.take_due(now + 600 * SECOND).everything);
    assert!(!pending.take_due(now + 601 * SECOND).everything);
}

#[test]
fn the_rescan_waits_for_as_long_as_the_last_one_took() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    assert!(!pending.take_due(now + 3599 * SECOND).is_rescan);
    assert!(pending.take_due(now + 3600 * SECOND).is_rescan);
    let end = now + (3600 + 5000) * SECOND;
    pending.finish(0, &Scope::Folder, 5000 * SECOND, end);
    assert!(!pending.take_due(end + 4999 * SECOND).everything);
    assert!(pending.take_due(end + 5000 * SECOND).everything);
}

#[test]
fn a_directory_without_events_is_polled_each_minute_or_less_often_if_scans_are_slow() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    pending.poll(0, "a".into(), true, now);
    pending.poll(1, PathBuf::new(), false, now);
    let due = pending.take_due(now + 60 * SECOND);
    assert_eq!(
        due.queued,
        [(0, Scope::Subtree("a".into())), (1, Scope::Folder)]
    );
    pending.finish(1, &Scope::Folder, 30 * SECOND, now + 90 * SECOND);
    assert_eq!(
        pending.take_due(now + 120 * SECOND).queued,
        [(0, Scope::Subtree("a".into()))]
    );
    assert_eq!(pending.take_retryable(), [(0, "a".into())]);
    assert_eq!(pending.take_due(now + 389 * SECOND).queued, []);
    assert_eq!(
        pending.take_due(now + 390 * SECOND).queued,
        [(1, Scope::Folder)]
    );
}

#[test]
fn a_busy_directory_does_not_delay_second_looks() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    let mut looked = Vec::new();
    for second in 0..60 {
        let at = now + second * SECOND;
        for (_, part) in pending.take_due(at).urgent {
            let Scope::Files { names, .. } = part else {
                panic!("{part:?}");
            };
            looked.extend(names.into_iter().map(|name| (second, name)));
        }
        pending.add_second_look(0, files("a", &[&second.to_string()]), at);
    }
    assert!(looked.len() >= 49, "{looked:?}");
    for (second, name) in looked {
        let missed: u32 = name.to_str().unwrap().parse().unwrap();
        assert!(
            (5..=10).contains(&(second - missed)),
            "{missed} at {second}"
        );
    }
}

#[test]
fn missing_names_are_bounded() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    for n in 0..=MAX_MISSING {
        pending.add_second_look(0, files("a", &[&n.to_string()]), now);
    }
    let due = pending.take_due(now + 5 * SECOND);
    assert_eq!(due.urgent, [(0, Scope::Subtree("a".into()))]);
}

#[test]
fn a_second_look_comes_after_the_settle_time_and_too_many_become_a_full_scan() {
    let now = Instant::now();
    let mut pending = pending_scans(now);
    pending.add_second_look(0, files("a", &["x"]), now);
    assert_eq!(pending.take_due(now + 4 * SECOND), Due::default());
    assert_eq!(
        pending.take_due(now + 5 * SECOND).urgent,
        [(0, files("a", &["x"]))]
    );
    for n in 0..=MAX_DIRS {
        pending.add_second_look(0, Scope::Subtree(n.to_string().into()), now);
    }
    let due = pending.take_due(now + 5 * SECOND);
    assert!(due.everything && due.urgent.is_empty());
}
