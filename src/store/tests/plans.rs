//! Every statement of the daily work finds its rows by an index: none may walk over what is done.

use super::*;
use crate::store::{
    self, apply_scan, attach, command_queue, descriptions, explain, files, next_call, pauses,
    pending_removals, placements, positions, ready_tokens, renames, roots, source_actions, status,
    upload_queue,
};

/// Tables that grow with the library.
const LARGE: [&str; 7] = [
    "files",
    "items",
    "placements",
    "call_items",
    "calls",
    "dirs",
    "source_actions",
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
    "files_delayed",
    "files_refused",
    "placements_joining",
    "placements_leaving",
    "placements_position_unknown",
    "calls_unanswered",
    "items_to_describe",
    "files_actions",
    "source_actions_open",
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
    upload_queue::BEGUN,
    upload_queue::NEXT_CLAIM,
    ready_tokens::EXPIRED,
    ready_tokens::SMALLEST,
    positions::PREDECESSOR,
    positions::SUCCESSOR,
    positions::TAIL,
    positions::AWAITED,
    positions::AWAITED_AT_TAIL,
    positions::UPLOADING,
    next_call::JOINING_BEFORE,
    next_call::JOINED,
    next_call::JOINING,
    explain::SEQUENCE,
    next_call::NEXT_DESCRIPTION,
    descriptions::TAKEN_OVER,
    status::CAN_MOVE,
    status::JOINING,
    status::TO_DESCRIBE,
    status::ALBUMS,
    status::FAILED,
    status::REFUSED,
    command_queue::IN_TROUBLE,
    command_queue::UNREADABLE,
    explain::DIRS_BELOW,
    explain::FILES_BELOW,
    roots::INTERRUPTED,
    "SELECT id FROM files WHERE state = 'settling' AND due_at <= ?1 ORDER BY due_at",
    roots::UNCLAIM_ALL,
    pauses::UPLOAD_WAITS[0],
    pauses::UPLOAD_WAITS[1],
    pauses::WAITS[0],
    pauses::WAITS[1],
    pauses::SETTLING,
    pauses::VERIFICATIONS[0],
    pauses::VERIFICATIONS[1],
    ready_tokens::WITH_TOKEN,
    verification::DUE,
    verification::NEXT_DUE,
    verification::DUE_FOR_FILES,
    verification::NEXT_DUE_FOR_FILES,
    verification::PATH_OF,
    verification::MISSING,
    source_actions::READY,
    source_actions::OPEN,
    source_actions::UNREQUESTED,
    source_actions::WAKE,
    source_actions::REQUESTED,
    source_actions::NEXT_SOURCE,
    source_actions::RECONSIDER,
    source_actions::BLOCKED_BY,
    source_actions::SOURCES_MOVE,
    call_journal::UNANSWERED,
    renames::KNOWN_PART,
    renames::BROUGHT_BY_ANOTHER,
    attach::SAME_KEY,
    roots::AWAY,
    roots::NONE_AWAY,
    files::SOME_BELOW,
    files::SOME_OF_ROOT,
    "SELECT path FROM dirs WHERE root_id = ?1 AND mount IS NOT NULL",
    attach::WANTED_SOMEWHERE,
    placements::REFUSED_BEFORE,
    placements::NO_NEIGHBOUR,
    pending_removals::WAITING,
    pending_removals::DUE,
    attach::HELD_ELSEWHERE,
    pending_removals::RELEASED,
    pending_removals::UNHASHED_SIZES[0],
    pending_removals::UNHASHED_SIZES[1],
    pending_removals::UNHASHED_SIZES[2],
    placements::IN_ALBUM,
    placements::TO_READ_NOW,
    placements::TO_READ,
    renames::BY_INODE,
    renames::IMPORTED_BY_INODE,
    renames::OTHER_NAMES,
    renames::POSSIBLE,
    next_call::LEFT,
    next_call::LEAVING,
    byte_sources::HAS_SOURCE,
    byte_sources::HAS_READABLE_SOURCE,
    byte_sources::HOLDER,
    byte_sources::READABLE_HOLDER,
    byte_sources::REATTACH,
    byte_sources::QUEUE_READABLE_SOURCES,
    byte_sources::WAITING[0],
    byte_sources::WAITING[1],
    "UPDATE placements SET item_exists = 1 WHERE item_id = ?1",
];

#[test]
fn the_daily_work_never_walks_over_a_large_table() {
    let bench = Bench::new();
    let db = &bench.reader().connection;
    let mut statements: Vec<String> = [
        upload_queue::FRESH,
        upload_queue::IN_ALBUM,
        upload_queue::IN_ORDER,
    ]
    .iter()
    .map(|order| format!("{} {order}", upload_queue::CLAIMABLE))
    .collect();
    statements.extend([ready_tokens::groups_sql(), ready_tokens::ready_sql()]);
    statements.extend(ready_tokens::DELAYED.map(str::to_owned));
    statements.extend(store::albums::ROLL_OVER.map(str::to_owned));
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
        let mut statement = db.prepare(renames::BY_INODE).unwrap();
        for value in 1..5 {
            let values = rusqlite::params![value, value, value, value, value];
            assert!(!statement.exists(values).unwrap());
        }
        let anew = statement.get_status(rusqlite::StatementStatus::RePrepare);
        assert_eq!(anew, 0);
    }
}

fn open_for_writing(bench: &Bench) -> Connection {
    store::connection::beside(&bench.dir.path().join(FILE_NAME)).unwrap()
}

#[test]
fn no_table_is_made_to_check_a_new_file() {
    let bench = Bench::new();
    let db = &bench.reader().connection;
    let mut statement = db
        .prepare(&format!("EXPLAIN {}", apply_scan::INSERT))
        .unwrap();
    let nothing = std::iter::repeat_n(rusqlite::types::Null, statement.parameter_count());
    let steps = statement
        .query_map(rusqlite::params_from_iter(nothing), |row| row.get(1))
        .unwrap();
    let steps: Vec<String> = steps.map(|step| step.unwrap()).collect();
    assert!(steps.iter().any(|step| step == "Program"), "the triggers");
    assert!(!steps.iter().any(|step| step == "OpenEphemeral"));
}
