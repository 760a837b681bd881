-- Files that leave: their albums are told, later, and only what really is gone. A file that was
-- moved is known again by its inode, and an album whose order is in doubt is read first.

-- `removes` repeats `on_delete = "remove-from-album"` of a configured folder.
ALTER TABLE roots ADD COLUMN removes INTEGER NOT NULL DEFAULT 0 CHECK (removes IN (0, 1));

-- The content of a held file is not that of its item any more, and `on_edit = "ignore"` wants it so.
ALTER TABLE files ADD COLUMN edited INTEGER NOT NULL DEFAULT 0 CHECK (edited IN (0, 1));

-- What a moved file is told by. Files of the queue are not in it: a first scan pays nothing.
CREATE INDEX files_by_inode ON files (inode) WHERE state IN ('held', 'gone') AND item_id IS NOT NULL;

-- What a file held before it was edited: the media item is still there, and so is its id.
CREATE TABLE former_items (
    file_id INTEGER NOT NULL REFERENCES files,
    item_id INTEGER NOT NULL REFERENCES items,
    until   INTEGER NOT NULL,
    PRIMARY KEY (file_id, item_id)
) STRICT, WITHOUT ROWID;

-- The order of the album is in doubt, because the answer of a call was lost and something of it
-- could not be repeated: the service is asked how the album stands before more is placed.
ALTER TABLE albums ADD COLUMN unread INTEGER NOT NULL DEFAULT 0 CHECK (unread IN (0, 1));

-- Since when it is wanted: what joins a further album waits a little for company.
ALTER TABLE placements ADD COLUMN wanted_at INTEGER NOT NULL DEFAULT 0;

-- A file that two scans agree is gone, whose item is to leave the album. It waits here until
-- nothing more disappears and no file of its size is on its way, which may be the same one moved.
-- `held`: so many were gone at once that a person has to say so first. A file that comes back is
-- taken out by the trigger.
CREATE TABLE departures (
    file_id  INTEGER PRIMARY KEY REFERENCES files,
    root_id  INTEGER NOT NULL REFERENCES roots,
    item_id  INTEGER NOT NULL REFERENCES items,
    album_id INTEGER NOT NULL REFERENCES albums,
    gone_at  INTEGER NOT NULL,
    held     INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    -- A person said that it shall leave, however many there are.
    released INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    CHECK (held = 0 OR released = 0)
) STRICT;
CREATE INDEX departures_waiting ON departures (root_id, gone_at) WHERE held = 0;

CREATE TRIGGER files_back AFTER UPDATE OF state ON files WHEN old.state = 'gone' AND new.state <> 'gone' BEGIN
    DELETE FROM departures WHERE file_id = new.id;
END;

INSERT INTO counters (name) VALUES ('departure.waiting'), ('departure.held');
CREATE TRIGGER departures_counted_in AFTER INSERT ON departures BEGIN
    UPDATE counters SET n = n + 1 WHERE name = iif(new.held, 'departure.held', 'departure.waiting');
END;
CREATE TRIGGER departures_counted_over AFTER UPDATE OF held ON departures WHEN old.held <> new.held BEGIN
    UPDATE counters SET n = n - 1 WHERE name = iif(old.held, 'departure.held', 'departure.waiting');
    UPDATE counters SET n = n + 1 WHERE name = iif(new.held, 'departure.held', 'departure.waiting');
END;
CREATE TRIGGER departures_counted_out AFTER DELETE ON departures BEGIN
    UPDATE counters SET n = n - 1 WHERE name = iif(old.held, 'departure.held', 'departure.waiting');
END;

-- What is to be taken out of its album.
CREATE INDEX placements_leaving ON placements (album_id, order_key) WHERE state = 'leaving';
