-- The database of one account: everything that Albumen knows about its files and what became of them.
--
-- Times are milliseconds since 1970 (UTC); names that end in _ns are nanoseconds as the file system gives
-- them. Paths and names are bytes. The checks repeat the invariants of src/model/: a row that a check refuses
-- is a bug, and the refusal keeps it from becoming a lost photo. Triggers only count.
-- SQLite uses a partial index only for a query that repeats its condition word for word.

-- Single values that outlive a run, by name.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The pauses of each scope, also while no process runs: why it waits and until when.
-- scope 'account'       whether the account can be used
--       'writes'        what the writer does
--       'uploads'       whether uploads may begin
-- since                 when the state began (not kept for uploads)
-- asked_by_service      the service demanded the wait: it survives a restart; our own backoff does not
-- hint                  what the user can do about it
-- concurrent_refusals   calls in a row that were answered with 429 for concurrent writes
CREATE TABLE pauses (
    scope               TEXT PRIMARY KEY,
    state               TEXT NOT NULL,
    reason              TEXT,
    until               INTEGER,
    since               INTEGER NOT NULL DEFAULT 0,
    asked_by_service    INTEGER NOT NULL DEFAULT 0 CHECK (asked_by_service IN (0, 1)),
    hint                TEXT,
    concurrent_refusals INTEGER NOT NULL DEFAULT 0,
    CHECK (CASE scope
           WHEN 'account' THEN state IN ('ready', 'login_needed', 'storage_full', 'quota_exhausted',
                                         'api_disabled', 'photos_disabled', 'unreachable')
           WHEN 'writes' THEN state IN ('idle', 'calling', 'pacing', 'waiting')
           WHEN 'uploads' THEN state = 'open' AND until IS NULL OR state = 'waiting' AND until IS NOT NULL
           ELSE 0 END)
) STRICT, WITHOUT ROWID;
INSERT INTO pauses (scope, state) VALUES ('account', 'ready'), ('writes', 'idle'), ('uploads', 'open');

-- The process that holds the state folder, or held it last. At most one row. `rate`: recent bytes a second.
CREATE TABLE process (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    mode       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    bytes_sent INTEGER NOT NULL DEFAULT 0,
    rate       REAL
) STRICT;

-- Uploads in progress, rewritten about once a second, for `status` alone.
CREATE TABLE transfers (
    file_id INTEGER PRIMARY KEY,
    path    BLOB NOT NULL,
    sent    INTEGER NOT NULL,
    size    INTEGER NOT NULL
) STRICT;

-- Requests of one service day (Pacific time). Raised in the transaction that marks a call as about to be sent:
-- a crash may count too many, never too few.
CREATE TABLE quota_usage (
    day         TEXT PRIMARY KEY,
    requests    INTEGER NOT NULL DEFAULT 0,
    uploads     INTEGER NOT NULL DEFAULT 0,
    order_calls INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A configured folder, or a PATH given to `backfill` (never watched; nothing in it is marked as gone).
-- claimable            files may be claimed now; set when a scan is complete, cleared at every start
-- away                 the root is missing or suddenly empty
-- rule                 album rule and order under which its files were queued; replaced after a full scan has
--                      applied a new one, so that a crash in between leaves no file queued under the old one
-- removes_from_albums  `on_delete = "remove-from-album"`
-- has_action           `after_upload` moves or deletes; as configured when the process started
-- unconfigured_at      when the folder left the configuration; for a week its files still keep their photos in
--                      their albums, in case it was left out by mistake
CREATE TABLE roots (
    id                  INTEGER PRIMARY KEY,
    path                BLOB NOT NULL UNIQUE,
    configured          INTEGER NOT NULL CHECK (configured IN (0, 1)),
    claimable           INTEGER NOT NULL DEFAULT 0 CHECK (claimable IN (0, 1)),
    away                INTEGER NOT NULL DEFAULT 0 CHECK (away IN (0, 1)),
    scanned_at          INTEGER,
    rule                TEXT NOT NULL DEFAULT '',
    removes_from_albums INTEGER NOT NULL DEFAULT 0 CHECK (removes_from_albums IN (0, 1)),
    has_action          INTEGER NOT NULL DEFAULT 0 CHECK (has_action IN (0, 1)),
    unconfigured_at     INTEGER
) STRICT;

-- A directory below a root; `path` is relative to it, empty for the root itself.
-- mount  'there': when last read, another file system was mounted on it. 'away': that is not mounted now, and
--        its files are left alone as those of a missing root. The root itself is covered by roots.away.
CREATE TABLE dirs (
    id      INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES roots,
    path    BLOB NOT NULL,
    mount   TEXT CHECK (mount = 'there' OR mount = 'away'),
    UNIQUE (root_id, path)
) STRICT;
CREATE INDEX dirs_mounted ON dirs (root_id) WHERE mount IS NOT NULL;

-- An album: a title, and the service's id once it is known. Row 0 is the library itself: "no album" is an
-- album that needs no id and has no order, so that one rule plans both.
-- create_sent_at   when albums.create was sent; written before the call, so without album_id its outcome is open
-- list_checks      how often the service's album list was read since, to find the outcome
-- not_found_at     first 404 of a call to this album
-- order_unknown    an answer was lost: the album is listed before more is placed
-- pre_existing     the album was there before this database; it may hold anything, so it is listed once
--                  nothing more goes into it
-- queued           files in state 'queued' that go to it; wanted, placed, in_sequence: its placements
CREATE TABLE albums (
    id             INTEGER PRIMARY KEY,
    title          TEXT NOT NULL,
    part           INTEGER NOT NULL DEFAULT 1 CHECK (part >= 1),
    album_id       TEXT,
    product_url    TEXT,
    created_at     INTEGER,
    create_sent_at INTEGER,
    list_checks    INTEGER NOT NULL DEFAULT 0,
    not_before     INTEGER NOT NULL DEFAULT 0,
    reason         TEXT,
    not_found_at   INTEGER,
    order_unknown  INTEGER NOT NULL DEFAULT 0 CHECK (order_unknown IN (0, 1)),
    pre_existing   INTEGER NOT NULL DEFAULT 0 CHECK (pre_existing IN (0, 1)),
    queued         INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
    wanted         INTEGER NOT NULL DEFAULT 0 CHECK (wanted >= 0),
    placed         INTEGER NOT NULL DEFAULT 0 CHECK (placed >= 0),
    in_sequence    INTEGER NOT NULL DEFAULT 0 CHECK (in_sequence >= 0),
    UNIQUE (title, part)
) STRICT;
INSERT INTO albums (id, title) VALUES (0, '');

-- Albums that existed at the service before this database knew any. A new database may replace a lost one, so
-- the service's list is read once before the first album is created (`albums_listed` in meta). An entry waits
-- here until its title is wanted. `item_count`: of two albums with one title the fuller is used.
CREATE TABLE remote_albums (
    album_id    TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    product_url TEXT,
    item_count  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX remote_albums_by_title ON remote_albums (title);

-- One content, identified by its BLAKE3 hash, on its way to being a media item. The states and their
-- transitions are in src/model/item.rs.
-- attempts            outcomes that count against the item
-- new_arrival         first seen after its folder's first full scan
-- retry_alone         the next call carries this item alone
-- verify_at           when batchGet asks for it; null: never
-- verify_result       what the last batchGet said: 'sound': there as it should be; 'unsound': there but unusable
--                     (a video that cannot be played), or never answered
-- verify_generation   raised whenever earlier answers stop counting; an answer to a question of an earlier
--                     generation does not let `after_upload` act
-- not_found_at        first batchGet that did not know the media item; a second one makes it 'missing'
-- matched_by_name     `rebuild` recognised it by name and time, not by its bytes
-- description         what the media item should say; sent_description: what the service was told. Where they
--                     differ one mediaItems.patch is due, not before describe_at. A null describe_at is a refusal
--                     (describe_error) that is not repeated until the text changes.
-- description_file_id the file whose text it is: of equal files the first that has one. No reference, because
--                     files refer to items.
CREATE TABLE items (
    id                  INTEGER PRIMARY KEY,
    hash                BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    size                INTEGER NOT NULL CHECK (size > 0),
    mime                TEXT NOT NULL,
    file_name           TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('queued', 'uploading', 'uploaded', 'creating', 'created',
                                                       'verified', 'failed', 'skipped', 'missing')),
    upload_token        TEXT,
    token_at            INTEGER,
    media_item_id       TEXT,
    product_url         TEXT,
    created_at          INTEGER,
    verify_at           INTEGER,
    verify_tries        INTEGER NOT NULL DEFAULT 0,
    verify_result       TEXT CHECK (verify_result IN ('sound', 'unsound')),
    verify_result_at    INTEGER,
    verify_generation   INTEGER NOT NULL DEFAULT 0,
    not_found_at        INTEGER,
    attempts            INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before          INTEGER NOT NULL DEFAULT 0,
    new_arrival         INTEGER NOT NULL DEFAULT 0 CHECK (new_arrival IN (0, 1)),
    retry_alone         INTEGER NOT NULL DEFAULT 0 CHECK (retry_alone IN (0, 1)),
    matched_by_name     INTEGER NOT NULL DEFAULT 0 CHECK (matched_by_name IN (0, 1)),
    description         TEXT CHECK (length(description) BETWEEN 1 AND 999),
    sent_description    TEXT,
    description_file_id INTEGER,
    describe_at         INTEGER DEFAULT 0,
    describe_attempts   INTEGER NOT NULL DEFAULT 0,
    describe_error      TEXT,
    reason              TEXT,
    code                INTEGER,
    message             TEXT,
    changed_at          INTEGER NOT NULL,
    CHECK ((upload_token IS NULL) = (token_at IS NULL)),
    CHECK (state NOT IN ('uploaded', 'creating') OR upload_token IS NOT NULL),
    CHECK (state NOT IN ('queued', 'uploading', 'failed', 'skipped', 'missing') OR upload_token IS NULL),
    CHECK ((state IN ('created', 'verified', 'missing')) = (media_item_id IS NOT NULL))
) STRICT;
CREATE INDEX items_moving ON items (state) WHERE state IN ('uploading', 'uploaded', 'creating');
CREATE INDEX items_waiting ON items (id) WHERE state = 'queued';
CREATE INDEX items_to_verify ON items (verify_at) WHERE verify_at IS NOT NULL;
CREATE INDEX items_in_trouble ON items (changed_at) WHERE state IN ('failed', 'missing');
CREATE INDEX items_to_describe ON items (describe_at)
    WHERE describe_at IS NOT NULL AND description IS NOT sent_description AND state IN ('created', 'verified');

-- Media item ids that an item had before: a missing one that was uploaded again keeps its history.
CREATE TABLE former_media_items (
    item_id       INTEGER NOT NULL REFERENCES items,
    media_item_id TEXT NOT NULL,
    until         INTEGER NOT NULL,
    PRIMARY KEY (item_id, media_item_id)
) STRICT, WITHOUT ROWID;

-- A path on disk.
-- state 'settling'  it may still be written to; look again at due_at
--       'queued'    to be claimed; may name the item that waits for its bytes
--       'claimed'   a worker reads it (back to 'queued' at each start)
--       'attached'  its bytes are item_id
--       'refused'   reason says why; reason_kind 'other_kind' is no photo or video and is not listed
--       'gone'      two scans agree that it is gone
-- album_id, order_key  decided once, when the file is queued
-- large                its upload takes so long that no batch waits for it
-- missed_scans         scans in a row that did not find it
-- edit_ignored         its content is no longer that of its item, and `on_edit = "ignore"`
-- sidecars_hash        name, size and time of its sidecars when its description was last read, as one number;
--                      0: there were none; null: not read yet. A scan reads them again only if it differs.
-- action_state         of an attached file whose folder has_action. 'waiting': its item is to be verified.
--                      'ready': verified; acted on from next_action_at. 'kept': kept_reason says why it stays.
--                      'done': Albumen moved or deleted it; then the file is 'gone', but the user did not delete it
-- next_action_at       for 'waiting': when batchGet is asked; 0: not known yet
CREATE TABLE files (
    id             INTEGER PRIMARY KEY,
    root_id        INTEGER NOT NULL REFERENCES roots,
    dir_id         INTEGER NOT NULL REFERENCES dirs,
    name           BLOB NOT NULL,
    size           INTEGER NOT NULL,
    mtime_ns       INTEGER NOT NULL,
    ctime_ns       INTEGER NOT NULL,
    dev            INTEGER NOT NULL,
    inode          INTEGER NOT NULL,
    -- Words are compared one by one: for each list of more than two words SQLite builds a small table at every
    -- insert, which took a sixth of the time of a first scan.
    state          TEXT NOT NULL CHECK (state = 'settling' OR state = 'queued' OR state = 'claimed'
                                        OR state = 'attached' OR state = 'refused' OR state = 'gone'),
    item_id        INTEGER REFERENCES items,
    album_id       INTEGER REFERENCES albums,
    order_key      BLOB,
    large          INTEGER NOT NULL DEFAULT 0 CHECK (large = 0 OR large = 1),
    new_arrival    INTEGER NOT NULL DEFAULT 0 CHECK (new_arrival = 0 OR new_arrival = 1),
    missed_scans   INTEGER NOT NULL DEFAULT 0,
    not_before     INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    settle_ms      INTEGER NOT NULL DEFAULT 0,
    due_at         INTEGER,
    reason_kind    TEXT,
    reason         TEXT,
    changed_at     INTEGER NOT NULL,
    edit_ignored   INTEGER NOT NULL DEFAULT 0 CHECK (edit_ignored = 0 OR edit_ignored = 1),
    sidecars_hash  INTEGER,
    action_state   TEXT CHECK (action_state = 'waiting' OR action_state = 'ready' OR action_state = 'kept'
                               OR action_state = 'done'),
    next_action_at INTEGER,
    kept_reason    TEXT,
    UNIQUE (dir_id, name),
    CHECK ((state = 'settling') = (due_at IS NOT NULL)),
    CHECK ((state = 'refused') = (reason_kind IS NOT NULL)),
    CHECK ((state <> 'queued' AND state <> 'claimed' AND state <> 'attached')
           OR (album_id IS NOT NULL AND order_key IS NOT NULL)),
    CHECK (state <> 'attached' OR item_id IS NOT NULL)
) STRICT;
-- The queue, in the order in which an album wants to be filled. root_id leads, because a root that may not be
-- claimed can have a million rows that must not be read at each claim.
CREATE INDEX files_queue ON files (root_id, album_id, order_key) WHERE state = 'queued';
-- The part of the queue that is claimed first.
CREATE INDEX files_new_arrivals ON files (root_id, id) WHERE state = 'queued' AND new_arrival = 1;
-- What an album's batch waits for.
CREATE INDEX files_awaited ON files (root_id, album_id, order_key)
    WHERE state IN ('queued', 'claimed') AND large = 0;
CREATE INDEX files_delayed ON files (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX files_claimed ON files (id) WHERE state = 'claimed';
CREATE INDEX files_settling ON files (due_at) WHERE state = 'settling';
CREATE INDEX files_of_item ON files (item_id) WHERE item_id IS NOT NULL;
-- How a moved file is recognised. Queued files are not in it: a first scan pays nothing for it.
CREATE INDEX files_by_inode ON files (inode) WHERE state IN ('attached', 'gone') AND item_id IS NOT NULL;
CREATE INDEX files_refused ON files (changed_at)
    WHERE state = 'refused' AND reason_kind NOT IN ('other_kind', 'imported');
CREATE INDEX files_imported ON files (inode) WHERE state = 'refused' AND reason_kind = 'imported';
CREATE INDEX files_actions ON files (action_state, next_action_at) WHERE action_state IS NOT NULL;

-- What a file was attached to before it was edited: that media item still exists.
CREATE TABLE former_items (
    file_id INTEGER NOT NULL REFERENCES files,
    item_id INTEGER NOT NULL REFERENCES items,
    until   INTEGER NOT NULL,
    PRIMARY KEY (file_id, item_id)
) STRICT, WITHOUT ROWID;

-- A resumable upload session. `offset`: bytes that the service is known to have. The file's identity shows
-- after a restart whether its bytes are still the same.
CREATE TABLE upload_sessions (
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

-- An item in an album. The states and their transitions are in src/model/mod.rs.
-- in_sequence       it was created at its planned place and is still there
-- append_only       the service refused a position for it: it goes to the end
-- item_exists       the item is 'created' or 'verified'; repeated here for the index of what may join an album
-- position_unknown  a lost call may have put it into the album; listing the album tells
-- wanted_at         since when it is wanted: a batchAddMediaItems waits a moment for more
CREATE TABLE placements (
    id               INTEGER PRIMARY KEY,
    item_id          INTEGER NOT NULL REFERENCES items,
    album_id         INTEGER NOT NULL REFERENCES albums,
    order_key        BLOB NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('wanted', 'placed', 'leaving', 'gone', 'refused')),
    in_sequence      INTEGER NOT NULL DEFAULT 0 CHECK (in_sequence IN (0, 1)),
    append_only      INTEGER NOT NULL DEFAULT 0 CHECK (append_only IN (0, 1)),
    item_exists      INTEGER NOT NULL DEFAULT 0 CHECK (item_exists IN (0, 1)),
    position_unknown INTEGER NOT NULL DEFAULT 0 CHECK (position_unknown IN (0, 1)),
    wanted_at        INTEGER NOT NULL DEFAULT 0,
    attempts         INTEGER NOT NULL DEFAULT 0,
    not_before       INTEGER NOT NULL DEFAULT 0,
    reason           TEXT,
    UNIQUE (item_id, album_id),
    CHECK (in_sequence = 0 OR state = 'placed')
) STRICT;
CREATE INDEX placements_wanted ON placements (album_id, order_key) WHERE state = 'wanted';
CREATE INDEX placements_joining ON placements (album_id, order_key) WHERE state = 'wanted' AND item_exists = 1;
CREATE INDEX placements_in_sequence ON placements (album_id, order_key) WHERE in_sequence = 1;
CREATE INDEX placements_leaving ON placements (album_id, order_key) WHERE state = 'leaving';
CREATE INDEX placements_position_unknown ON placements (album_id) WHERE position_unknown = 1;

-- A file that is gone and whose item is to leave the album. It waits here until nothing more disappears and no
-- file of its size is in the queue, which may be the same file moved.
-- needs_confirmation  so many files disappeared at once that the user has to confirm
-- confirmed           the user did
CREATE TABLE pending_removals (
    file_id            INTEGER PRIMARY KEY REFERENCES files,
    root_id            INTEGER NOT NULL REFERENCES roots,
    item_id            INTEGER NOT NULL REFERENCES items,
    album_id           INTEGER NOT NULL REFERENCES albums,
    gone_at            INTEGER NOT NULL,
    needs_confirmation INTEGER NOT NULL DEFAULT 0 CHECK (needs_confirmation IN (0, 1)),
    confirmed          INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
    CHECK (needs_confirmation = 0 OR confirmed = 0)
) STRICT;
CREATE INDEX pending_removals_waiting ON pending_removals (root_id, gone_at) WHERE needs_confirmation = 0;

-- One mutating call, journalled word for word before it is sent. Until it is answered no other is sent: it is
-- repeated as it stands here. `body` is dropped once every result is recorded.
CREATE TABLE calls (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('create_items', 'create_album', 'add_items', 'remove_items',
                                              'describe_item')),
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
-- At most one call is without an answer, also over a crash.
CREATE UNIQUE INDEX calls_unanswered ON calls ((1)) WHERE answered_at IS NULL;

-- What a call carried, and the NewMediaItemResult of each item.
CREATE TABLE call_items (
    call_id INTEGER NOT NULL REFERENCES calls,
    ordinal INTEGER NOT NULL,
    item_id INTEGER NOT NULL REFERENCES items,
    code    INTEGER,
    message TEXT,
    PRIMARY KEY (call_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_items_of_item ON call_items (item_id);

-- Moves and deletions of `after_upload`. The intention is durable before the file is touched; a row that is
-- neither done nor has an error was interrupted, and the next start finds out what happened.
CREATE TABLE source_actions (
    id          INTEGER PRIMARY KEY,
    file_id     INTEGER NOT NULL REFERENCES files,
    item_id     INTEGER NOT NULL REFERENCES items,
    action      TEXT NOT NULL CHECK (action IN ('move', 'delete')),
    from_path   BLOB NOT NULL,
    to_path     BLOB,
    intended_at INTEGER NOT NULL,
    done_at     INTEGER,
    error       TEXT,
    CHECK ((action = 'move') = (to_path IS NOT NULL)),
    CHECK (done_at IS NULL OR error IS NULL)
) STRICT;
CREATE INDEX source_actions_of_file ON source_actions (file_id);
CREATE INDEX source_actions_of_item ON source_actions (item_id);
CREATE INDEX source_actions_open ON source_actions (id) WHERE done_at IS NULL AND error IS NULL;

-- A folder that files are moved to (`move:DIR`), and the mount point of the disk that it was on at the last
-- move. While it is on another one, that disk is not mounted, and nothing is moved.
CREATE TABLE move_targets (
    path  BLOB PRIMARY KEY,
    mount BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A command that another process left for the one that holds the state folder, and its result.
CREATE TABLE commands (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('backfill', 'retry', 'verify', 'remove')),
    args         TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    started_at   INTEGER,
    done_at      INTEGER,
    exit_code    INTEGER,
    report       TEXT
) STRICT;
CREATE INDEX commands_open ON commands (id) WHERE done_at IS NULL;

-- How many rows and bytes are in each state, kept by the triggers below: `status` must not count a million rows.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    n     INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name) VALUES
    ('file.settling'), ('file.queued'), ('file.claimed'), ('file.attached'), ('file.refused'), ('file.gone'),
    ('item.queued'), ('item.uploading'), ('item.uploaded'), ('item.creating'), ('item.created'),
    ('item.verified'), ('item.failed'), ('item.skipped'), ('item.missing'),
    ('placement.wanted'), ('placement.placed'), ('placement.leaving'), ('placement.gone'), ('placement.refused'),
    ('removal.waiting'), ('removal.unconfirmed'),
    ('action.waiting'), ('action.ready'), ('action.kept'), ('action.done');

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
CREATE TRIGGER removals_counted_in AFTER INSERT ON pending_removals BEGIN
    UPDATE counters SET n = n + 1
    WHERE name = iif(new.needs_confirmation, 'removal.unconfirmed', 'removal.waiting');
END;
CREATE TRIGGER removals_counted_over AFTER UPDATE OF needs_confirmation ON pending_removals
WHEN old.needs_confirmation <> new.needs_confirmation BEGIN
    UPDATE counters SET n = n - 1
    WHERE name = iif(old.needs_confirmation, 'removal.unconfirmed', 'removal.waiting');
    UPDATE counters SET n = n + 1
    WHERE name = iif(new.needs_confirmation, 'removal.unconfirmed', 'removal.waiting');
END;
CREATE TRIGGER removals_counted_out AFTER DELETE ON pending_removals BEGIN
    UPDATE counters SET n = n - 1
    WHERE name = iif(old.needs_confirmation, 'removal.unconfirmed', 'removal.waiting');
END;
CREATE TRIGGER actions_counted AFTER UPDATE OF action_state ON files
WHEN old.action_state IS NOT new.action_state BEGIN
    UPDATE counters SET n = n - 1 WHERE name = 'action.' || old.action_state;
    UPDATE counters SET n = n + 1 WHERE name = 'action.' || new.action_state;
END;

-- placements.item_exists follows the state of the item.
CREATE TRIGGER items_exist AFTER UPDATE OF state ON items
WHEN (old.state IN ('created', 'verified')) <> (new.state IN ('created', 'verified')) BEGIN
    UPDATE placements SET item_exists = new.state IN ('created', 'verified') WHERE item_id = new.id;
END;

-- A file that comes back is not removed from its album.
CREATE TRIGGER files_back AFTER UPDATE OF state ON files WHEN old.state = 'gone' AND new.state <> 'gone' BEGIN
    DELETE FROM pending_removals WHERE file_id = new.id;
END;

-- What follows for an attached file from its item, for `after_upload`.
CREATE VIEW action_states (item_id, action_state, next_action_at, kept_reason) AS
SELECT id,
       CASE WHEN state NOT IN ('created', 'verified') THEN NULL
            WHEN matched_by_name = 1 OR verify_result = 'unsound' THEN 'kept'
            WHEN verify_result = 'sound' AND state = 'verified' THEN 'ready'
            ELSE 'waiting' END,
       CASE WHEN state NOT IN ('created', 'verified') OR matched_by_name = 1 OR verify_result = 'unsound' THEN NULL
            WHEN verify_result = 'sound' AND state = 'verified' THEN 0
            ELSE coalesce(verify_at, 0) END,
       CASE WHEN state NOT IN ('created', 'verified') THEN NULL
            WHEN matched_by_name = 1
                 THEN '`albumen rebuild` knew its picture by name and time, not by its bytes'
            WHEN verify_result = 'unsound'
                 THEN coalesce(reason, 'Google Photos has it, but not as it should be') END
FROM items;
CREATE TRIGGER detached_file_has_no_action AFTER UPDATE OF state ON files
WHEN new.state <> 'attached' AND old.state <> new.state AND old.action_state IS NOT NULL BEGIN
    UPDATE files SET action_state = NULL, next_action_at = NULL, kept_reason = NULL WHERE id = new.id;
END;
CREATE TRIGGER item_sets_action AFTER UPDATE OF state, verify_result ON items
WHEN (old.state <> new.state OR old.verify_result IS NOT new.verify_result)
     AND (old.state IN ('created', 'verified') OR new.state IN ('created', 'verified'))
     AND EXISTS (SELECT 1 FROM roots WHERE has_action = 1) BEGIN
    UPDATE files SET (action_state, next_action_at, kept_reason) =
        (SELECT action_state, next_action_at, kept_reason FROM action_states WHERE item_id = new.id)
    WHERE item_id = new.id AND state = 'attached'
          AND EXISTS (SELECT 1 FROM roots WHERE roots.id = files.root_id AND has_action = 1);
END;
-- An answer counts for a file only if the question was sent after the file was attached: it waits for the next.
CREATE TRIGGER attached_file_has_action AFTER UPDATE OF state, item_id ON files
WHEN new.state = 'attached' AND (old.state <> 'attached' OR old.item_id IS NOT new.item_id)
     AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND has_action = 1) BEGIN
    UPDATE items SET verify_generation = verify_generation + 1 WHERE id = new.item_id;
    UPDATE files SET (action_state, next_action_at, kept_reason) =
        (SELECT iif(action_state = 'ready', 'waiting', action_state), next_action_at, kept_reason
         FROM action_states WHERE item_id = new.item_id)
    WHERE id = new.id;
END;
CREATE TRIGGER new_attached_file_has_action AFTER INSERT ON files
WHEN new.state = 'attached' AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND has_action = 1) BEGIN
    UPDATE items SET verify_generation = verify_generation + 1 WHERE id = new.item_id;
    UPDATE files SET (action_state, next_action_at, kept_reason) =
        (SELECT iif(action_state = 'ready', 'waiting', action_state), next_action_at, kept_reason
         FROM action_states WHERE item_id = new.item_id)
    WHERE id = new.id;
END;
-- No action before the item is in all of its albums; then at once.
CREATE TRIGGER placement_sets_action AFTER UPDATE OF state ON placements
WHEN old.state = 'wanted' AND new.state <> 'wanted' AND EXISTS (SELECT 1 FROM roots WHERE has_action = 1) BEGIN
    UPDATE files SET next_action_at = 0 WHERE item_id = new.item_id AND action_state = 'ready';
END;
-- A file whose verification was cancelled has it requested again.
CREATE TRIGGER cancelled_verification_resets_action AFTER UPDATE OF verify_at ON items
WHEN new.verify_at IS NULL AND old.verify_at IS NOT NULL AND EXISTS (SELECT 1 FROM roots WHERE has_action = 1) BEGIN
    UPDATE files SET next_action_at = 0 WHERE item_id = new.id AND action_state = 'waiting' AND next_action_at > 0;
END;
