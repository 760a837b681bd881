//! Rows and parameters: how values of our types are read from columns and bound to statements, and the
//! two views of a connection, [`Reader`] and [`Tx`].
//!
//! A query reads whole rows: `reader.all::<(FileId, PathBuf)>(sql, params![root])`. A struct gets its
//! [`FromRow`] by `from_row!(Name { field, … })`, with the fields in the order of the columns; a field may
//! itself be such a struct and then reads several columns.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{
    Connection, Params, Row,
    types::{FromSql, ToSqlOutput, Value, ValueRef},
};

use super::{Error, Result};
use crate::{
    clock,
    model::{
        ids::{
            ActId, AlbumId, AlbumRow, CallId, ContentHash, DirId, FileId, ItemId, MediaItemId,
            OrderId, RootId, SessionUrl, UploadToken,
        },
        item::State,
        order_key::OrderKey,
    },
};

/// The reading side of the store. A reader of its own has a read-only connection and never waits for
/// the writer (WAL). Every [`Tx`] is a reader, too.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

/// A transaction (or a savepoint in one) of the writer thread: what [`Reader`] can, and writing.
#[derive(Debug)]
pub struct Tx(Reader);

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// All rows of a query.
    pub(super) fn all<T: FromRow>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(T::from_row(&mut Columns { row, next: 0 })?);
        }
        Ok(all)
    }

    /// Calls `each` with one row after the other, until it returns false: for what may be too much to
    /// collect.
    pub(super) fn each<T: FromRow>(
        &self,
        sql: &str,
        params: impl Params,
        mut each: impl FnMut(T) -> Result<bool>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            if !each(T::from_row(&mut Columns { row, next: 0 })?)? {
                break;
            }
        }
        Ok(())
    }

    /// The first row of a query, if there is one.
    pub(super) fn opt<T: FromRow>(&self, sql: &str, params: impl Params) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let row = rows.next()?;
        row.map(|row| T::from_row(&mut Columns { row, next: 0 }))
            .transpose()
    }

    /// The first row of a query that has one.
    pub(super) fn one<T: FromRow>(&self, sql: &str, params: impl Params) -> Result<T> {
        self.opt(sql, params)?
            .ok_or(Error::Sqlite(rusqlite::Error::QueryReturnedNoRows))
    }

    /// Whether a query has a row. (A query of the form `SELECT EXISTS …` always has one: read it with
    /// `one::<bool>`.)
    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool> {
        Ok(self.connection.prepare_cached(sql)?.exists(params)?)
    }
}

impl Tx {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Reader { connection })
    }

    /// Runs a statement that writes; returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Inserts a row; returns its id.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64> {
        Ok(self.connection.prepare_cached(sql)?.insert(params)?)
    }
}

impl std::ops::Deref for Tx {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.0
    }
}

// For the statements that are not converted to the helpers above yet.
impl std::ops::Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// The columns of a row, read from left to right.
pub(super) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Columns<'_> {
    /// Reads the next value: one column, or as many as a struct or a tuple has.
    pub(super) fn read<T: FromRow>(&mut self) -> Result<T> {
        T::from_row(self)
    }

    fn column<T: FromSql>(&mut self) -> Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }
}

/// What can be read from the columns of a row.
pub(super) trait FromRow: Sized {
    fn from_row(columns: &mut Columns<'_>) -> Result<Self>;
}

/// What can be bound to a parameter.
pub(super) trait ToColumn {
    fn to_column(&self) -> ToSqlOutput<'_>;
}

/// Parameters of a statement: `params![item, now, path]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::store::row::ToColumn::to_column(&$value)),*]
    };
}

/// Implements [`FromRow`] for a struct: its fields in the order of the columns.
macro_rules! from_row {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::store::row::FromRow for $name {
            fn from_row(columns: &mut $crate::store::row::Columns<'_>) -> $crate::store::Result<Self> {
                $(let $field = columns.read()?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Makes an enum with [`strum`]'s `EnumString` and `IntoStaticStr` a column that holds its word.
macro_rules! word_column {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::store::row::FromRow for $name {
            fn from_row(columns: &mut $crate::store::row::Columns<'_>) -> $crate::store::Result<Self> {
                let word: String = columns.read()?;
                word.parse().map_err(|_| {
                    $crate::store::Error::Corrupt(format!("`{word}` is no {}", stringify!($name)))
                })
            }
        }

        impl $crate::store::row::ToColumn for $name {
            fn to_column(&self) -> rusqlite::types::ToSqlOutput<'_> {
                let word: &'static str = self.into();
                word.into()
            }
        }
    )*};
}

pub(super) use word_column;
pub(super) use {from_row, params};

/// One column through another type that SQLite knows.
macro_rules! column {
    ($($name:ty: $sql:ty, |$read:ident| $from:expr, |$this:ident| $to:expr;)*) => {$(
        impl FromRow for $name {
            fn from_row(columns: &mut Columns<'_>) -> Result<Self> {
                let $read: $sql = columns.column()?;
                Ok($from)
            }
        }

        impl ToColumn for $name {
            fn to_column(&self) -> ToSqlOutput<'_> {
                let $this = self;
                $to
            }
        }
    )*};
}

fn integer(value: i64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(value))
}

fn text(value: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()))
}

fn blob(value: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(value))
}

column! {
    i64: i64, |value| value, |this| integer(*this);
    i32: i32, |value| value, |this| integer((*this).into());
    u32: u32, |value| value, |this| integer((*this).into());
    // Nothing that is counted or measured here reaches 2^63.
    u64: i64, |value| amount(value), |this| integer(*this as i64);
    usize: i64, |value| usize::try_from(amount(value)).unwrap_or(usize::MAX), |this| integer(*this as i64);
    bool: bool, |value| value, |this| integer((*this).into());
    String: String, |value| value, |this| text(this);
    Vec<u8>: Vec<u8>, |value| value, |this| blob(this);
    PathBuf: Vec<u8>, |value| path_from(value), |this| this.as_path().to_column();
    OsString: Vec<u8>, |value| OsString::from_vec(value), |this| this.as_os_str().to_column();
    // Milliseconds since 1970.
    Timestamp: i64, |value| clock::from_millis(value), |this| integer(this.as_millisecond());
    ContentHash: [u8; 32], |value| Self(value), |this| blob(&this.0);
    OrderKey: Vec<u8>, |value| Self::from_bytes(value), |this| blob(this.as_bytes());
    UploadToken: String, |value| Self::new(value), |this| text(this.reveal());
    SessionUrl: String, |value| Self::new(value), |this| text(this.reveal());
    MediaItemId: String, |value| Self::new(value), |this| text(this.as_str());
    AlbumId: String, |value| Self::new(value), |this| text(this.as_str());
    ActId: i64, |value| Self(value), |this| integer(this.0);
    AlbumRow: i64, |value| Self(value), |this| integer(this.0);
    CallId: i64, |value| Self(value), |this| integer(this.0);
    DirId: i64, |value| Self(value), |this| integer(this.0);
    FileId: i64, |value| Self(value), |this| integer(this.0);
    ItemId: i64, |value| Self(value), |this| integer(this.0);
    OrderId: i64, |value| Self(value), |this| integer(this.0);
    RootId: i64, |value| Self(value), |this| integer(this.0);
}

word_column!(State);

impl<T: FromRow> FromRow for Option<T> {
    /// Of one column: null is none.
    fn from_row(columns: &mut Columns<'_>) -> Result<Self> {
        if columns.row.get_ref(columns.next)? == ValueRef::Null {
            columns.next += 1;
            return Ok(None);
        }
        T::from_row(columns).map(Some)
    }
}

impl<T: ToColumn> ToColumn for Option<T> {
    fn to_column(&self) -> ToSqlOutput<'_> {
        self.as_ref()
            .map_or(ToSqlOutput::Owned(Value::Null), T::to_column)
    }
}

impl<T: ToColumn + ?Sized> ToColumn for &T {
    fn to_column(&self) -> ToSqlOutput<'_> {
        T::to_column(self)
    }
}

impl ToColumn for str {
    fn to_column(&self) -> ToSqlOutput<'_> {
        text(self)
    }
}

impl ToColumn for [u8] {
    fn to_column(&self) -> ToSqlOutput<'_> {
        blob(self)
    }
}

impl ToColumn for OsStr {
    fn to_column(&self) -> ToSqlOutput<'_> {
        blob(self.as_bytes())
    }
}

impl ToColumn for Path {
    fn to_column(&self) -> ToSqlOutput<'_> {
        self.as_os_str().to_column()
    }
}

macro_rules! tuples {
    ($(($($name:ident),*);)*) => {$(
        impl<$($name: FromRow),*> FromRow for ($($name,)*) {
            fn from_row(columns: &mut Columns<'_>) -> Result<Self> {
                Ok(($($name::from_row(columns)?,)*))
            }
        }
    )*};
}

tuples! {
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
    (A, B, C, D, E, F, G);
    (A, B, C, D, E, F, G, H);
}

/// What the file system says of a file; times in nanoseconds. In a row: size, mtime, ctime, dev, inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime_ns: i64,
    /// Last change of content or inode.
    pub ctime_ns: i64,
    /// The file system it is on.
    pub dev: u64,
    /// Its number there.
    pub inode: u64,
}

impl FromRow for FileStat {
    fn from_row(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            size: columns.read()?,
            mtime_ns: columns.read()?,
            ctime_ns: columns.read()?,
            // These numbers use all 64 bits on some file systems; the bits are kept.
            dev: columns.read::<i64>()? as u64,
            inode: columns.read::<i64>()? as u64,
        })
    }
}

/// The largest amount: nothing has so many bytes, and sums stay exact for readers of JSON that use
/// floating point.
const MOST: i64 = 1 << 53;

/// A count or a size from a row, limited so that a damaged row cannot make a sum overflow.
pub(super) fn amount(stored: i64) -> u64 {
    stored.clamp(0, MOST) as u64
}

/// A path from its bytes, which need not be UTF-8.
pub(super) fn path_from(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The path of a file from its root, its directory relative to the root, and its name. Empty if all
/// are none: an item may have outlived its files.
pub(super) fn joined(
    root: Option<Vec<u8>>,
    dir: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
) -> PathBuf {
    let mut path = root.map(path_from).unwrap_or_default();
    for part in [dir, name]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
    {
        path.push(path_from(part));
    }
    path
}
