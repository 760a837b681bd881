use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn agenda(now: Instant) -> Agenda {
    let times = Times {
        settle: 5 * SECOND,
        rescan: Some(3600 * SECOND),
    };
    Agenda::new(times, now)
}

fn files(dir: &str, names: &[&str]) -> Part {
    Part::Files {
        dir: dir.into(),
        names: names.iter().map(OsString::from).collect(),
    }
}

#[test]
fn hints_are_gathered_for_a_second_and_what_is_covered_is_scanned_once() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    agenda.written(0, "a/b".into(), "x.jpg".into(), now);
    agenda.written(0, "c".into(), "y.jpg".into(), now);
    agenda.written(0, "c".into(), "z.jpg".into(), now);
    agenda.written(1, "a/b".into(), "x.jpg".into(), now);
    agenda.hint(0, Part::Below("a".into()), now + SECOND / 2);
    agenda.hint(0, Part::Below("a/b/c".into()), now + SECOND / 2);
    agenda.hint(0, Part::Only("a-b".into()), now + SECOND / 2);
    assert_eq!(agenda.next(), Some(now + SECOND));
    assert_eq!(agenda.due(now + SECOND / 2), Due::default());
    let expected = [
        (0, Part::Below("a".into())),
        (0, Part::Only("a-b".into())),
        (0, files("c", &["y.jpg", "z.jpg"])),
        (1, files("a/b", &["x.jpg"])),
    ];
    assert_eq!(agenda.due(now + SECOND).urgent, expected);
    assert_eq!(agenda.due(now + SECOND), Due::default());
}

#[test]
fn many_names_become_a_look_at_their_directory_but_names_that_are_gone_are_looked_at() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    for n in 0..=MAX_NAMES {
        agenda.written(0, "a".into(), n.to_string().into(), now);
    }
    agenda.hint(0, files("a", &["gone"]), now);
    let expected = [(0, Part::Only("a".into())), (0, files("a", &["gone"]))];
    assert_eq!(agenda.due(now + SECOND).urgent, expected);
}

#[test]
fn lost_events_lead_to_a_scan_of_everything_at_once_but_not_all_the_time() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    agenda.took(0, &Part::Whole, 60 * SECOND, now);
    agenda.everything(now);
    assert!(agenda.due(now).everything);
    agenda.everything(now + SECOND);
    assert!(!agenda.due(now + 599 * SECOND).everything);
    assert!(agenda.due(now + 600 * SECOND).everything);
    assert!(!agenda.due(now + 601 * SECOND).everything);
}

#[test]
fn the_regular_rescan_leaves_a_slow_disk_as_much_time_as_it_takes() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    assert!(!agenda.due(now + 3599 * SECOND).is_rescan);
    assert!(agenda.due(now + 3600 * SECOND).is_rescan);
    let end = now + (3600 + 5000) * SECOND;
    agenda.took(0, &Part::Whole, 5000 * SECOND, end);
    assert!(!agenda.due(end + 4999 * SECOND).everything);
    assert!(agenda.due(end + 5000 * SECOND).everything);
}

#[test]
fn what_raises_no_events_is_polled_each_minute_or_as_its_length_allows() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    agenda.poll(0, "a".into(), true, now);
    agenda.poll(1, PathBuf::new(), false, now);
    let due = agenda.due(now + 60 * SECOND);
    assert_eq!(due.queued, [(0, Part::Below("a".into())), (1, Part::Whole)]);
    agenda.took(1, &Part::Whole, 30 * SECOND, now + 90 * SECOND);
    assert_eq!(
        agenda.due(now + 120 * SECOND).queued,
        [(0, Part::Below("a".into()))]
    );
    assert_eq!(agenda.take_hopeful(), [(0, "a".into())]);
    assert_eq!(agenda.due(now + 389 * SECOND).queued, []);
    assert_eq!(agenda.due(now + 390 * SECOND).queued, [(1, Part::Whole)]);
}

#[test]
fn what_is_missed_all_the_time_does_not_put_off_the_second_look_at_what_was_missed_before() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    let mut looked = Vec::new();
    for second in 0..60 {
        let at = now + second * SECOND;
        for (_, part) in agenda.due(at).urgent {
            let Part::Files { names, .. } = part else {
                panic!("{part:?}");
            };
            looked.extend(names.into_iter().map(|name| (second, name)));
        }
        agenda.second_look(0, files("a", &[&second.to_string()]), at);
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
fn names_that_are_gone_do_not_grow_without_bound() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    for n in 0..=MAX_GONE {
        agenda.second_look(0, files("a", &[&n.to_string()]), now);
    }
    let due = agenda.due(now + 5 * SECOND);
    assert_eq!(due.urgent, [(0, Part::Below("a".into()))]);
}

#[test]
fn a_second_look_comes_when_the_settle_time_is_over_and_too_many_become_everything() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    agenda.second_look(0, files("a", &["x"]), now);
    assert_eq!(agenda.due(now + 4 * SECOND), Due::default());
    assert_eq!(
        agenda.due(now + 5 * SECOND).urgent,
        [(0, files("a", &["x"]))]
    );
    for n in 0..=MAX_LATER {
        agenda.second_look(0, Part::Below(n.to_string().into()), now);
    }
    let due = agenda.due(now + 5 * SECOND);
    assert!(due.everything && due.urgent.is_empty());
}
