-- The state folder of one account. Times are milliseconds since 1970 (UTC) unless a name ends in
-- _ns; file times are nanoseconds as the file system gives them. Paths and names are bytes.
-- The checks repeat the invariants of src/item.rs and src/album/: a row that they refuse is a
-- defect, and refusing it keeps the defect from becoming a lost photo.

-- Small facts that outlive a run; the key says which.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether the account can be used, why not, and until when; one row. True also when nothing runs.
CREATE TABLE account (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    state  TEXT NOT NULL CHECK (state IN ('ready', 'login_needed', 'storage_full', 'quota_exhausted',
                                          'api_disabled', 'photos_disabled', 'unreachable')),
    reason TEXT,
    until  INTEGER,
    since  INTEGER NOT NULL
) STRICT;
INSERT INTO account VALUES (1, 'ready', NULL, NULL, 0);

-- What the write lane does; one row. `until` is kept over restarts: a wait that the service asked
-- for is owed by the account, not by the process. `refusals` is the rung of the concurrent-write ladder.
CREATE TABLE lane (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    state    TEXT NOT NULL CHECK (state IN ('idle', 'calling', 'pacing', 'waiting')),
    reason   TEXT,
    until    INTEGER,
    since    INTEGER NOT NULL,
    refusals INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO lane VALUES (1, 'idle', NULL, NULL, 0, 0);

-- The process that holds this folder, or held it last; one row. `rate` is bytes a second of late, as
-- far as anything moved.
CREATE TABLE process (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    mode  TEXT NOT NULL,
    pid   INTEGER NOT NULL,
    since INTEGER NOT NULL,
    bytes_sent INTEGER NOT NULL DEFAULT 0,
    rate  REAL
) STRICT;

-- Bytes on their way, written about once a second while there are any, for `status` alone.
CREATE TABLE transfers (
    file_id INTEGER PRIMARY KEY,
    path    BLOB NOT NULL,
    sent    INTEGER NOT NULL,
    size    INTEGER NOT NULL
) STRICT;

-- Requests of one service day (Pacific), raised in the transaction that marks a call as about to be
-- sent: a crash overcounts and never undercounts.
CREATE TABLE ledger (
    day         TEXT PRIMARY KEY,
    requests    INTEGER NOT NULL DEFAULT 0,
    uploads     INTEGER NOT NULL DEFAULT 0,
    order_calls INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A configured folder, or a PATH given to `backfill` (which is never watched, and in which nothing
-- is ever gone). `open` says whether files may be claimed now: the process sets it when a scan is
-- complete, and every start closes all. `away` says that the root is missing or suddenly empty.
-- `rule` is the album rule and order that its files were queued under; another one is noted once a
-- full scan has applied it, so that a crash before does not leave files queued under the old one.
CREATE TABLE roots (
    id         INTEGER PRIMARY KEY,
    path       BLOB NOT NULL UNIQUE,
    configured INTEGER NOT NULL CHECK (configured IN (0, 1)),
    open       INTEGER NOT NULL DEFAULT 0 CHECK (open IN (0, 1)),
    away       INTEGER NOT NULL DEFAULT 0 CHECK (away IN (0, 1)),
    scanned_at INTEGER,
    rule       TEXT NOT NULL DEFAULT ''
) STRICT;

-- A directory below a root; `path` is relative to it, empty for the root itself.
CREATE TABLE dirs (
    id      INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES roots,
    path    BLOB NOT NULL,
    UNIQUE (root_id, path)
) STRICT;

-- An album: a title, and the service's id once it is known. Row 0 is the library itself: "no album"
-- is an album that needs no id and knows no order, so that one rule plans both. `asked_at` is the
-- intention to create it, written before the call; with no album_id the outcome is open.
-- `queued` counts its files in state 'queued'; `wanted`, `placed` and `in_sequence` its placements.
-- The triggers below keep all four (of the library, only the first).
CREATE TABLE albums (
    id          INTEGER PRIMARY KEY,
    title       TEXT NOT NULL,
    part        INTEGER NOT NULL DEFAULT 1 CHECK (part >= 1),
    album_id    TEXT,
    product_url TEXT,
    made_at     INTEGER,
    asked_at    INTEGER,
    looked      INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    absent_at   INTEGER,
    queued      INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
    wanted      INTEGER NOT NULL DEFAULT 0 CHECK (wanted >= 0),
    placed      INTEGER NOT NULL DEFAULT 0 CHECK (placed >= 0),
    in_sequence INTEGER NOT NULL DEFAULT 0 CHECK (in_sequence >= 0),
    UNIQUE (title, part)
) STRICT;
INSERT INTO albums (id, title) VALUES (0, '');

-- One content, told by its BLAKE3 hash, on its way to being a media item. `attempts` counts the
-- outcomes that blame it. `verify_at` is when the service is asked for it (null: never).
CREATE TABLE items (
    id            INTEGER PRIMARY KEY,
    hash          BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    size          INTEGER NOT NULL CHECK (size > 0),
    mime          TEXT NOT NULL,
    file_name     TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('queued', 'uploading', 'uploaded', 'creating', 'created',
                                                 'verified', 'failed', 'skipped', 'missing')),
    upload_token  TEXT,
    token_at      INTEGER,
    media_item_id TEXT,
    product_url   TEXT,
    made_at       INTEGER,
    verify_at     INTEGER,
    verify_tries  INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before    INTEGER NOT NULL DEFAULT 0,
    fresh         INTEGER NOT NULL DEFAULT 0 CHECK (fresh IN (0, 1)),
    alone         INTEGER NOT NULL DEFAULT 0 CHECK (alone IN (0, 1)),
    reason        TEXT,
    code          INTEGER,
    message       TEXT,
    changed_at    INTEGER NOT NULL,
    CHECK ((upload_token IS NULL) = (token_at IS NULL)),
    CHECK (state NOT IN ('uploaded', 'creating') OR upload_token IS NOT NULL),
    CHECK (state NOT IN ('queued', 'uploading', 'failed', 'skipped', 'missing') OR upload_token IS NULL),
    CHECK ((state IN ('created', 'verified', 'missing')) = (media_item_id IS NOT NULL))
) STRICT;
-- SQLite uses a partial index only for a query that repeats its condition word for word.
CREATE INDEX items_moving ON items (state) WHERE state IN ('uploading', 'uploaded', 'creating');
CREATE INDEX items_to_verify ON items (verify_at) WHERE verify_at IS NOT NULL;
CREATE INDEX items_in_trouble ON items (changed_at) WHERE state IN ('failed', 'missing');

-- Media item ids that an item had before: a missing one that was sent again keeps its past.
CREATE TABLE former_media_items (
    item_id       INTEGER NOT NULL REFERENCES items,
    media_item_id TEXT NOT NULL,
    until         INTEGER NOT NULL,
    PRIMARY KEY (item_id, media_item_id)
) STRICT, WITHOUT ROWID;

-- A path on disk. `settling`: it may still be written to, look again at due_at. `queued`: to be
-- claimed. `claimed`: an upload slot reads it (back to queued at each start). `held`: its bytes are
-- item_id. `refused`: reason says why; reason_kind 'other_kind' is no photo or video and is not
-- listed. `gone`: two scans agree. A queued file may name the item that waits for its bytes.
-- album_id and order_key are decided once, when the file is queued.
CREATE TABLE files (
    id          INTEGER PRIMARY KEY,
    root_id     INTEGER NOT NULL REFERENCES roots,
    dir_id      INTEGER NOT NULL REFERENCES dirs,
    name        BLOB NOT NULL,
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    ctime_ns    INTEGER NOT NULL,
    dev         INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('settling', 'queued', 'claimed', 'held', 'refused', 'gone')),
    item_id     INTEGER REFERENCES items,
    album_id    INTEGER REFERENCES albums,
    order_key   BLOB,
    large       INTEGER NOT NULL DEFAULT 0 CHECK (large IN (0, 1)),
    fresh       INTEGER NOT NULL DEFAULT 0 CHECK (fresh IN (0, 1)),
    missed      INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,
    settle_ms   INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER,
    reason_kind TEXT,
    reason      TEXT,
    changed_at  INTEGER NOT NULL,
    UNIQUE (dir_id, name),
    CHECK ((state = 'settling') = (due_at IS NOT NULL)),
    CHECK ((state = 'refused') = (reason_kind IS NOT NULL)),
    CHECK (state NOT IN ('queued', 'claimed', 'held') OR (album_id IS NOT NULL AND order_key IS NOT NULL)),
    CHECK (state <> 'held' OR item_id IS NOT NULL)
) STRICT;
-- The queue, in the order in which an album wants to be filled. The root leads, because a closed
-- or absent one may have a million rows in the queue that must not be walked past at each claim.
CREATE INDEX files_queue ON files (root_id, album_id, order_key) WHERE state = 'queued';
-- The part of it that is claimed first: what appeared after its folder's first full scan.
CREATE INDEX files_fresh ON files (root_id, id) WHERE state = 'queued' AND fresh = 1;
-- What an album's batch waits for: small enough to come soon.
CREATE INDEX files_awaited ON files (root_id, album_id, order_key)
    WHERE state IN ('queued', 'claimed') AND large = 0;
CREATE INDEX files_held_back ON files (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX files_claimed ON files (id) WHERE state = 'claimed';
CREATE INDEX files_settling ON files (due_at) WHERE state = 'settling';
CREATE INDEX files_of_item ON files (item_id) WHERE item_id IS NOT NULL;
CREATE INDEX files_refused ON files (changed_at) WHERE state = 'refused' AND reason_kind <> 'other_kind';

-- A resumable session of an item's bytes. `offset` is what the service is known to have; the file's
-- identity tells after a restart whether they still are the same bytes.
CREATE TABLE sessions (
    item_id     INTEGER PRIMARY KEY REFERENCES items,
    url         TEXT NOT NULL,
    granularity INTEGER NOT NULL,
    offset      INTEGER NOT NULL DEFAULT 0,
    dev         INTEGER NOT NULL,
    inode       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    ctime_ns    INTEGER NOT NULL,
    opened_at   INTEGER NOT NULL
) STRICT;

-- An item in an album. `in_sequence` only while it was created at its planned place and is there.
-- `made` repeats that the item is 'created' or 'verified', so that an index can tell what may join a
-- further album now from what waits for its first.
CREATE TABLE placements (
    id          INTEGER PRIMARY KEY,
    item_id     INTEGER NOT NULL REFERENCES items,
    album_id    INTEGER NOT NULL REFERENCES albums,
    order_key   BLOB NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('wanted', 'placed', 'leaving', 'gone', 'refused')),
    in_sequence INTEGER NOT NULL DEFAULT 0 CHECK (in_sequence IN (0, 1)),
    append      INTEGER NOT NULL DEFAULT 0 CHECK (append IN (0, 1)),
    made        INTEGER NOT NULL DEFAULT 0 CHECK (made IN (0, 1)),
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    UNIQUE (item_id, album_id),
    CHECK (in_sequence = 0 OR state = 'placed')
) STRICT;
CREATE INDEX placements_wanted ON placements (album_id, order_key) WHERE state = 'wanted';
CREATE INDEX placements_joining ON placements (album_id, order_key) WHERE state = 'wanted' AND made = 1;
CREATE INDEX placements_in_sequence ON placements (album_id, order_key) WHERE in_sequence = 1;

-- One mutating call of the lane, journalled word for word before it is sent. Until it is answered,
-- no other is sent: it is repeated as it stands. `body` is dropped once every result is recorded.
CREATE TABLE calls (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('create_items', 'create_album', 'add_items', 'remove_items')),
    album_id    INTEGER NOT NULL REFERENCES albums,
    position    TEXT,
    path        TEXT NOT NULL,
    body        TEXT,
    sent_at     INTEGER NOT NULL,
    sends       INTEGER NOT NULL DEFAULT 1,
    answered_at INTEGER,
    http_status INTEGER,
    error       TEXT,
    CHECK (answered_at IS NOT NULL OR body IS NOT NULL)
) STRICT;
-- At most one call is under way: the lane is one lane, also over a crash.
CREATE UNIQUE INDEX calls_unanswered ON calls ((1)) WHERE answered_at IS NULL;

-- What a call carried and what became of each: the NewMediaItemResult of every item.
CREATE TABLE call_items (
    call_id INTEGER NOT NULL REFERENCES calls,
    ordinal INTEGER NOT NULL,
    item_id INTEGER NOT NULL REFERENCES items,
    code    INTEGER,
    message TEXT,
    PRIMARY KEY (call_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_items_of_item ON call_items (item_id);

-- What a command asks of the process that holds this folder, and what came of it.
CREATE TABLE orders (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('backfill', 'retry', 'verify', 'remove')),
    args       TEXT NOT NULL,
    asked_at   INTEGER NOT NULL,
    begun_at   INTEGER,
    done_at    INTEGER,
    exit_code  INTEGER,
    report     TEXT
) STRICT;
CREATE INDEX orders_open ON orders (id) WHERE done_at IS NULL;

-- How many rows and bytes stand in each state, kept by the triggers below: `status` must not count
-- a million rows.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    n     INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name) VALUES
    ('file.settling'), ('file.queued'), ('file.claimed'), ('file.held'), ('file.refused'), ('file.gone'),
    ('item.queued'), ('item.uploading'), ('item.uploaded'), ('item.creating'), ('item.created'),
    ('item.verified'), ('item.failed'), ('item.skipped'), ('item.missing'),
    ('placement.wanted'), ('placement.placed'), ('placement.leaving'), ('placement.gone'), ('placement.refused');

CREATE TRIGGER files_counted_in AFTER INSERT ON files BEGIN
    UPDATE counters SET n = n + 1, bytes = bytes + new.size WHERE name = 'file.' || new.state;
END;
CREATE TRIGGER files_counted_over AFTER UPDATE OF state, size ON files
WHEN old.state <> new.state OR old.size <> new.size BEGIN
    UPDATE counters SET n = n - 1, bytes = bytes - old.size WHERE name = 'file.' || old.state;
    UPDATE counters SET n = n + 1, bytes = bytes + new.size WHERE name = 'file.' || new.state;
END;
CREATE TRIGGER files_counted_out AFTER DELETE ON files BEGIN
    UPDATE counters SET n = n - 1, bytes = bytes - old.size WHERE name = 'file.' || old.state;
END;

CREATE TRIGGER queue_counted_in AFTER INSERT ON files WHEN new.state = 'queued' BEGIN
    UPDATE albums SET queued = queued + 1 WHERE id = new.album_id;
END;
CREATE TRIGGER queue_counted_over AFTER UPDATE OF state, album_id ON files
WHEN old.state = 'queued' OR new.state = 'queued' BEGIN
    UPDATE albums SET queued = queued - 1 WHERE id = old.album_id AND old.state = 'queued';
    UPDATE albums SET queued = queued + 1 WHERE id = new.album_id AND new.state = 'queued';
END;
CREATE TRIGGER queue_counted_out AFTER DELETE ON files WHEN old.state = 'queued' BEGIN
    UPDATE albums SET queued = queued - 1 WHERE id = old.album_id;
END;

CREATE TRIGGER items_counted_in AFTER INSERT ON items BEGIN
    UPDATE counters SET n = n + 1, bytes = bytes + new.size WHERE name = 'item.' || new.state;
END;
CREATE TRIGGER items_counted_over AFTER UPDATE OF state ON items WHEN old.state <> new.state BEGIN
    UPDATE counters SET n = n - 1, bytes = bytes - new.size WHERE name = 'item.' || old.state;
    UPDATE counters SET n = n + 1, bytes = bytes + new.size WHERE name = 'item.' || new.state;
END;

CREATE TRIGGER items_made AFTER UPDATE OF state ON items
WHEN (old.state IN ('created', 'verified')) <> (new.state IN ('created', 'verified')) BEGIN
    UPDATE placements SET made = new.state IN ('created', 'verified') WHERE item_id = new.id;
END;

CREATE TRIGGER placements_counted_in AFTER INSERT ON placements WHEN new.album_id <> 0 BEGIN
    UPDATE counters SET n = n + 1 WHERE name = 'placement.' || new.state;
    UPDATE albums SET wanted = wanted + (new.state = 'wanted'), placed = placed + (new.state = 'placed'),
                      in_sequence = in_sequence + new.in_sequence
    WHERE id = new.album_id;
END;
CREATE TRIGGER placements_counted_over AFTER UPDATE OF state, in_sequence, album_id ON placements
WHEN new.album_id <> 0 AND (old.state <> new.state OR old.in_sequence <> new.in_sequence
                            OR old.album_id <> new.album_id) BEGIN
    UPDATE counters SET n = n - 1 WHERE name = 'placement.' || old.state;
    UPDATE counters SET n = n + 1 WHERE name = 'placement.' || new.state;
    UPDATE albums SET wanted = wanted - (old.state = 'wanted'), placed = placed - (old.state = 'placed'),
                      in_sequence = in_sequence - old.in_sequence
    WHERE id = old.album_id;
    UPDATE albums SET wanted = wanted + (new.state = 'wanted'), placed = placed + (new.state = 'placed'),
                      in_sequence = in_sequence + new.in_sequence
    WHERE id = new.album_id;
END;
