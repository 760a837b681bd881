//! A database with anything in its rows and pages: every look and every verb ends in a result or an
//! error.
//!
//! The database of a state folder is the user's to restore, to edit and to break. The one here has a
//! row of every kind, has lost its checks, types and triggers' help, and is then damaged as the input
//! says.

mod looks;
mod verbs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use albumen::{
    clock,
    store::{self, FILE_NAME, Reader, Store},
};
use rusqlite::{Connection, config::DbConfig, types::Value};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{end, files::runtime};
use crate::runner::Target;

/// Rows of every kind, whole and in order.
const ROWS: &str = include_str!("rows.sql");

/// Input, byte by byte; zeros when it is used up.
pub(super) struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, n: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A row that may be there, or any number.
    pub(super) fn row(&mut self) -> i64 {
        match self.byte() {
            0xff => self.number(),
            byte => i64::from(byte % 14),
        }
    }

    pub(super) fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        for byte in &mut bytes {
            *byte = self.byte();
        }
        i64::from_be_bytes(bytes)
    }

    /// Text of the kind that columns hold, or any.
    fn text(&mut self) -> String {
        const WORDS: [&str; 12] = [
            "",
            "queued",
            "created",
            "wanted",
            "placed",
            "ready",
            "create_items",
            "last",
            "after ",
            "2026-11-21",
            "{\"kind\":\"retry\",\"paths\":[[47]]}",
            "/v1/albums",
        ];
        let n = usize::from(self.byte());
        match WORDS.get(n) {
            Some(word) => (*word).to_owned(),
            None => String::from_utf8_lossy(self.take(n - WORDS.len())).into_owned(),
        }
    }

    fn value(&mut self) -> Value {
        match self.byte() % 8 {
            0 => Value::Null,
            1 => Value::Integer(i64::from(self.byte())),
            2 => Value::Integer(self.number()),
            3 => Value::Integer(i64::MAX - i64::from(self.byte())),
            4 => Value::Integer(i64::MIN + i64::from(self.byte())),
            5 => Value::Real(f64::from_bits(self.number() as u64)),
            6 => Value::Text(self.text()),
            _ => {
                let n = usize::from(self.byte());
                Value::Blob(self.take(n).to_vec())
            }
        }
    }
}

/// The whole database, to be copied and damaged.
struct Template {
    bytes: Vec<u8>,
    columns: Vec<(String, String)>,
    /// The folder in which the copies are.
    dir: TempDir,
}

impl Template {
    fn new() -> Self {
        // In memory where the system has such a place: each copy is used once.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let dir = dir.unwrap();
        let runtime = runtime();
        runtime.block_on(async { Store::open(dir.path()).unwrap().close().await });
        let path = dir.path().join(FILE_NAME);
        let db = Connection::open(&path).unwrap();
        db.execute_batch(ROWS).unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)
            .unwrap();
        db.execute_batch(
            "PRAGMA writable_schema = on;
             UPDATE sqlite_schema SET sql = replace(replace(sql, ') STRICT, WITHOUT', ') WITHOUT'), ') STRICT', ')')
             WHERE type = 'table';
             PRAGMA writable_schema = reset;
             PRAGMA wal_checkpoint(truncate);",
        )
        .unwrap();
        let columns = db
            .prepare(
                "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' ORDER BY 1, c.cid",
            )
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        db.close().unwrap();
        Self {
            bytes: fs::read(path).unwrap(),
            columns,
            dir,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(FILE_NAME)
    }

    fn write(&self, bytes: &[u8]) {
        for end in ["", "-wal", "-shm", "-journal"] {
            // Most of them are seldom there.
            let _ = fs::remove_file(self.dir.path().join(format!("{FILE_NAME}{end}")));
        }
        fs::write(self.path(), bytes).unwrap();
    }

    /// Sets a value somewhere; SQLite may still refuse it.
    fn damage(&self, db: &Connection, input: &mut Bytes) {
        let which = usize::from(input.byte()) % self.columns.len();
        let (table, column) = &self.columns[which];
        let row = input.byte();
        let value = input.value();
        let order = format!(
            "UPDATE OR IGNORE {table} SET {column} = ?1
             WHERE ?2 = 255 OR ({column} IS (SELECT {column} FROM {table} LIMIT 1 OFFSET ?2 % 12))"
        );
        let _ = db.execute(&order, rusqlite::params![value, row]);
    }
}

/// The first byte says how many values are damaged and what is done at the end, the rest how, and what
/// is then asked.
pub(crate) fn rows() -> Target {
    let (template, runtime) = (Template::new(), runtime());
    Target::new(move |input| {
        let mut input = Bytes(input);
        template.write(&template.bytes);
        let db = Connection::open(template.path()).unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .unwrap();
        db.execute_batch("PRAGMA ignore_check_constraints = on; PRAGMA foreign_keys = off; BEGIN")
            .unwrap();
        let first = input.byte();
        for _ in 0..first % 16 {
            template.damage(&db, &mut input);
        }
        db.execute_batch("COMMIT").unwrap();
        drop(db);
        runtime.block_on(work(template.dir.path(), first >> 4, &mut input))
    })
}

/// The first byte says how many stretches of the file are damaged and what is done at the end, the rest
/// where, and how.
pub(crate) fn pages() -> Target {
    let (template, runtime) = (Template::new(), runtime());
    Target::new(move |input| {
        let mut input = Bytes(input);
        let mut bytes = template.bytes.clone();
        let first = input.byte();
        for _ in 0..first % 16 {
            let at = usize::from(input.byte()) << 16
                | usize::from(input.byte()) << 8
                | usize::from(input.byte());
            let at = at % bytes.len();
            let n = usize::from(input.byte() % 16);
            match input.byte() {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at..]
                    .iter_mut()
                    .take(n * 64)
                    .for_each(|byte| *byte = 0),
                _ => {
                    let new = input.take(n);
                    for (byte, new) in bytes[at..].iter_mut().zip(new) {
                        *byte = *new;
                    }
                }
            }
        }
        template.write(&bytes);
        runtime.block_on(work(template.dir.path(), first >> 4, &mut input))
    })
}

/// Looks at everything, asks for some of the verbs, looks again; the bits of `after` say whether a
/// backup is made then, and brought back.
async fn work(dir: &Path, after: u8, input: &mut Bytes<'_>) -> String {
    let mut ends = String::new();
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => return end(&error),
    };
    ends += &looked(dir);
    for _ in 0..40 {
        let verb = input.byte();
        let done = verbs::run(&store, verb, input).await;
        ends += &told(&done, verb % verbs::COUNT);
        if input.is_empty() && verb == 0 {
            break;
        }
    }
    ends += &looked(dir);
    if after & 1 == 1 {
        ends += &told(&store.back_up(CancellationToken::new()).await, 200);
    }
    store.close().await;
    if after & 2 == 2 {
        ends += &restored(dir);
    }
    ends
}

/// The database becomes its own backup, and is brought back.
fn restored(dir: &Path) -> String {
    let now = clock::from_millis(looks::NOW);
    match store::restore(dir, Some(&dir.join(FILE_NAME)), now) {
        Ok(restored) => format!("{} {}", restored.items.min(9), looked(dir)),
        Err(error) => end(&error),
    }
}

fn looked(dir: &Path) -> String {
    match Reader::open(dir) {
        Ok(Some(reader)) => looks::all(&reader),
        Ok(None) => "none".to_owned(),
        Err(error) => end(&error),
    }
}

/// How one verb or look ended: that it did is enough, unless it failed.
fn told<T>(done: &albumen::store::Result<T>, which: u8) -> String {
    match done {
        Ok(_) => String::new(),
        Err(error) => {
            assert!(
                !matches!(error, albumen::store::Error::Closed),
                "the writer has ended in {which}"
            );
            format!(
                "{which}:{} ",
                end(error).chars().take(24).collect::<String>()
            )
        }
    }
}
