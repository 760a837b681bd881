-- Descriptions: what a person wrote about a picture, found beside the file or inside of it.

-- The name, size and time of the sidecars beside a file when its words were last looked for, as one
-- number; 0 is none beside it, and null that nobody looked. A scan compares it, and reads only where
-- it differs.
ALTER TABLE files ADD COLUMN sidecars INTEGER;

-- `description` is what the media item shall say, `described` what the service was told; where they
-- differ, one `mediaItems.patch` is due, not before `describe_at`. A null there is a refusal that is
-- not asked for again until the words change; `describe_error` says it in words. `described_by` is
-- the row of the file whose words these are: of equal files the first that has any decides, until it
-- is gone. It is no reference, for files refer to items already.
ALTER TABLE items ADD COLUMN description TEXT CHECK (length(description) BETWEEN 1 AND 999);
ALTER TABLE items ADD COLUMN described TEXT;
ALTER TABLE items ADD COLUMN described_by INTEGER;
ALTER TABLE items ADD COLUMN describe_at INTEGER DEFAULT 0;
ALTER TABLE items ADD COLUMN describe_attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN describe_error TEXT;
-- What is to be patched; a query must repeat the condition word for word.
CREATE INDEX items_to_describe ON items (describe_at)
    WHERE describe_at IS NOT NULL AND description IS NOT described AND state IN ('created', 'verified');

-- The journal learns one more kind of call, `describe_item`. SQLite cannot change a check, so both
-- tables are built anew; the copies refer to each other before the old ones go, because references
-- are enforced all the time.
CREATE TABLE calls2 (
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
INSERT INTO calls2 (id, kind, album_id, position, path, body, sent_at, sends, answered_at, http_status, error)
SELECT id, kind, album_id, position, path, body, sent_at, sends, answered_at, http_status, error FROM calls;

CREATE TABLE call_items2 (
    call_id INTEGER NOT NULL REFERENCES calls2,
    ordinal INTEGER NOT NULL,
    item_id INTEGER NOT NULL REFERENCES items,
    code    INTEGER,
    message TEXT,
    PRIMARY KEY (call_id, ordinal)
) STRICT, WITHOUT ROWID;
INSERT INTO call_items2 (call_id, ordinal, item_id, code, message)
SELECT call_id, ordinal, item_id, code, message FROM call_items;

DROP TABLE call_items;
DROP TABLE calls;
-- A rename takes the references along.
ALTER TABLE calls2 RENAME TO calls;
ALTER TABLE call_items2 RENAME TO call_items;
CREATE UNIQUE INDEX calls_unanswered ON calls ((1)) WHERE answered_at IS NULL;
CREATE INDEX call_items_of_item ON call_items (item_id);
