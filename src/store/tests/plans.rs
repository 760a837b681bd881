//! Every statement of the daily work finds its rows by an index: none may walk over what is done.

use super::*;
use crate::store::{
    self, afterwards, claims, departures, explain, holding, intake, looking, membership, mounts,
    moves, orders, overview,
    planning::{self, *},
    recording,
};

/// Tables that grow with the library.
const LARGE: [&str; 7] = [
    "files",
    "items",
    "placements",
    "call_items",
    "calls",
    "dirs",
    "source_acts",
];

/// The steps of SQLite's plan for `sql` that walk over a whole large table.
fn walks(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let n = statement.parameter_count();
    let steps = statement
        .query_map(
            rusqlite::params_from_iter(std::iter::repeat_n(1, n)),
            |row| row.get::<_, String>(3),
        )
        .unwrap();
    steps
        .map(|step| step.unwrap())
        .filter(|step| {
            LARGE.iter().any(|table| {
                step.strip_prefix("SCAN ")
                    .is_some_and(|rest| rest.split(' ').next() == Some(*table))
            })
        })
        // A partial index holds only what matters; walking it is what it is for.
        .filter(|step| !PARTIAL.iter().any(|index| step.contains(index)))
        .collect()
}

/// Indexes of what is on its way or in trouble.
const PARTIAL: [&str; 18] = [
    "dirs_mounted",
    "items_moving",
    "items_to_verify",
    "items_waiting",
    "items_in_trouble",
    "files_claimed",
    "files_settling",
    "files_by_inode",
    "files_imported",
    "files_held_back",
    "files_refused",
    "placements_joining",
    "placements_leaving",
    "placements_doubtful",
    "calls_unanswered",
    "items_to_describe",
    "files_afterwards",
    "source_acts_open",
];

#[test]
fn a_walk_over_a_large_table_is_noticed() {
    let bench = Bench::new();
    let db = &bench.reader().connection;
    for sql in [
        "SELECT id FROM items WHERE state = 'uploaded'",
        "SELECT sum(not_before) FROM files WHERE state = 'queued'",
        "SELECT count(*) FROM placements WHERE state = 'wanted'",
    ] {
        assert_eq!(walks(db, sql).len(), 1, "{sql}");
    }
    assert!(walks(db, "SELECT state FROM items WHERE id = 1").is_empty());
}

/// What is asked or changed again and again, beside what is put together below.
const DAILY: &[&str] = &[
    claims::BEGUN,
    claims::NEXT_CLAIM,
    ready::DEAD,
    ready::SMALLEST,
    places::PREDECESSOR,
    places::SUCCESSOR,
    places::TAIL,
    places::AWAITED,
    places::AWAITED_AT_TAIL,
    places::UPLOADING,
    additions::AHEAD,
    additions::JOINED,
    additions::JOINING,
    looking::SEQUENCE,
    planning::describing::NEXT,
    store::describing::TAKEN_OVER,
    overview::CAN_MOVE,
    overview::JOINING,
    overview::TO_DESCRIBE,
    overview::ALBUMS,
    overview::FAILED,
    overview::REFUSED,
    orders::IN_TROUBLE,
    orders::UNREADABLE,
    explain::DIRS_BELOW,
    explain::FILES_BELOW,
    intake::INTERRUPTED,
    "SELECT id FROM files WHERE state = 'settling' AND due_at <= ?1 ORDER BY due_at",
    intake::UNCLAIM_ALL,
    store::waits::FILES,
    store::waits::SETTLING,
    store::waits::ITEMS,
    store::waits::TO_VERIFY,
    store::waits::DESCRIPTIONS,
    store::waits::ACTS,
    ready::WITH_TOKEN,
    verifying::DUE,
    verifying::NEXT_DUE,
    verifying::DUE_FOR_FILES,
    verifying::NEXT_DUE_FOR_FILES,
    verifying::PATH_OF,
    verifying::MISSING,
    afterwards::READY,
    afterwards::OPEN,
    afterwards::UNARRANGED,
    afterwards::WAKE,
    afterwards::ARRANGED,
    afterwards::NEXT_SOURCE,
    afterwards::RECONSIDER,
    afterwards::HELD_BY,
    afterwards::SOURCES_MOVE,
    calls::UNANSWERED,
    moves::KNOWN_PART,
    moves::BROUGHT_BY_ANOTHER,
    holding::SAME_KEY,
    mounts::AWAY,
    mounts::NONE_AWAY,
    mounts::SOME_BELOW,
    mounts::SOME_OF_ROOT,
    "SELECT path FROM dirs WHERE root_id = ?1 AND mount IS NOT NULL",
    holding::WANTED_SOMEWHERE,
    membership::REFUSED_BEFORE,
    membership::NO_NEIGHBOUR,
    holding::WANTED_NOWHERE,
    departures::WAITING,
    departures::DUE,
    holding::HELD_ELSEWHERE,
    departures::RELEASED,
    departures::TO_COME[0],
    departures::TO_COME[1],
    departures::TO_COME[2],
    membership::IN_ALBUM,
    membership::IN_DOUBT,
    membership::TO_READ,
    moves::BY_INODE,
    moves::IMPORTED_BY_INODE,
    moves::OTHER_NAMES,
    moves::POSSIBLE,
    removals::LEFT,
    removals::LEAVING,
    sources::HAS_SOURCE,
    sources::HAS_SOURCE_AT_HAND,
    sources::HOLDER,
    sources::HOLDER_AT_HAND,
    sources::HOLD_AGAIN,
    sources::LOOK_AGAIN,
    sources::WAITING[0],
    sources::WAITING[1],
    "UPDATE placements SET made = 1 WHERE item_id = ?1",
];

#[test]
fn the_daily_work_never_walks_over_a_large_table() {
    let bench = Bench::new();
    let db = &bench.reader().connection;
    let mut statements: Vec<String> = [claims::FRESH, claims::IN_ALBUM, claims::IN_ORDER]
        .iter()
        .map(|order| format!("{} {order}", claims::CLAIMABLE))
        .collect();
    statements.extend([ready::groups_sql(), ready::ready_sql()]);
    statements.extend(ready::HELD_BACK.map(str::to_owned));
    statements.extend(parts::ROLL_OVER.map(str::to_owned));
    statements.extend(DAILY.iter().map(|sql| (*sql).to_owned()));
    for sql in statements {
        let found = walks(db, &sql);
        assert!(found.is_empty(), "{found:?} in {sql}");
    }
}

#[test]
fn a_kept_statement_is_not_prepared_anew_for_other_values() {
    let bench = Bench::new();
    let reader = bench.reader();
    for db in [&open_for_writing(&bench), &reader.connection] {
        let mut statement = db.prepare(moves::BY_INODE).unwrap();
        for value in 1..5 {
            let values = rusqlite::params![value, value, value, value, value];
            assert!(!statement.exists(values).unwrap());
        }
        let anew = statement.get_status(rusqlite::StatementStatus::RePrepare);
        assert_eq!(anew, 0);
    }
}

fn open_for_writing(bench: &Bench) -> Connection {
    store::open::beside(&bench.dir.path().join(FILE_NAME)).unwrap()
}

#[test]
fn no_table_is_made_to_check_a_new_file() {
    let bench = Bench::new();
    let db = &bench.reader().connection;
    let mut statement = db
        .prepare(&format!("EXPLAIN {}", recording::INSERT))
        .unwrap();
    let nothing = std::iter::repeat_n(rusqlite::types::Null, statement.parameter_count());
    let steps = statement
        .query_map(rusqlite::params_from_iter(nothing), |row| row.get(1))
        .unwrap();
    let steps: Vec<String> = steps.map(|step| step.unwrap()).collect();
    assert!(steps.iter().any(|step| step == "Program"), "the triggers");
    assert!(!steps.iter().any(|step| step == "OpenEphemeral"));
}
