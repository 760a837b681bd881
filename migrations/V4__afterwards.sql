-- What becomes of a file on disk once its picture is safely in the library (`after_upload`), and
-- what the service said when it was asked for that picture.

-- Whether files of this root are moved or deleted. It repeats the configuration of the process that
-- started last, so that triggers can tell which files are concerned.
ALTER TABLE roots ADD COLUMN acts INTEGER NOT NULL DEFAULT 0 CHECK (acts IN (0, 1));

-- What was seen when the service was asked, not before `verify_at`: 'sound' is a media item that is
-- there as it should be; 'unsound' one that is there and of no use (a video that cannot be played),
-- or about which the service never gives an answer. Only a sound one lets a file go.
ALTER TABLE items ADD COLUMN read_back TEXT CHECK (read_back IN ('sound', 'unsound'));

-- When the service first said that it does not know the media item. One such answer may be a lie:
-- it takes a second one, later, to make the item 'missing'.
ALTER TABLE items ADD COLUMN absent_at INTEGER;

-- How far a held file of a root that acts is. 'waits': its item is made and is to be read back.
-- 'ready': it was read back; the file is looked at from act_at on. 'stays': it is left where it is,
-- and `stays` says why. 'done': Albumen moved or deleted it; then the file is 'gone', and not
-- because somebody deleted it. For 'waits' act_at is when the service is asked; 0 is not yet known.
ALTER TABLE files ADD COLUMN afterwards TEXT CHECK (afterwards IN ('waits', 'ready', 'stays', 'done'));
ALTER TABLE files ADD COLUMN act_at INTEGER;
ALTER TABLE files ADD COLUMN stays TEXT;
CREATE INDEX files_afterwards ON files (afterwards, act_at) WHERE afterwards IS NOT NULL;

-- Every move and deletion of a file: the intention is written through to the disk before the act.
-- One that is neither done nor has an error was cut short; the next start looks what came of it.
CREATE TABLE source_acts (
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
CREATE INDEX source_acts_of_file ON source_acts (file_id);
CREATE INDEX source_acts_of_item ON source_acts (item_id);
CREATE INDEX source_acts_open ON source_acts (id) WHERE done_at IS NULL AND error IS NULL;

INSERT INTO counters (name) VALUES ('after.waits'), ('after.ready'), ('after.stays'), ('after.done');

CREATE TRIGGER afterwards_counted AFTER UPDATE OF afterwards ON files
WHEN old.afterwards IS NOT new.afterwards BEGIN
    UPDATE counters SET n = n - 1 WHERE name = 'after.' || old.afterwards;
    UPDATE counters SET n = n + 1 WHERE name = 'after.' || new.afterwards;
END;

-- The state of a file follows from its item: one rule, in this view, for every trigger below.
CREATE VIEW afterwards_of_items (item_id, afterwards, act_at, stays) AS
SELECT id,
       CASE WHEN state NOT IN ('created', 'verified') THEN NULL
            WHEN read_back = 'unsound' THEN 'stays'
            WHEN read_back = 'sound' AND state = 'verified' THEN 'ready'
            ELSE 'waits' END,
       CASE WHEN state NOT IN ('created', 'verified') OR read_back = 'unsound' THEN NULL
            WHEN read_back = 'sound' AND state = 'verified' THEN 0
            ELSE coalesce(verify_at, 0) END,
       CASE WHEN state IN ('created', 'verified') AND read_back = 'unsound'
            THEN coalesce(reason, 'Google Photos has it, but not as it should be') END
FROM items;

CREATE TRIGGER held_file_has_afterwards AFTER UPDATE OF state, item_id ON files
WHEN new.state = 'held' AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND acts = 1) BEGIN
    UPDATE files SET (afterwards, act_at, stays) =
        (SELECT afterwards, act_at, stays FROM afterwards_of_items WHERE item_id = new.item_id)
    WHERE id = new.id;
END;
CREATE TRIGGER held_file_begins_afterwards AFTER INSERT ON files
WHEN new.state = 'held' AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND acts = 1) BEGIN
    UPDATE files SET (afterwards, act_at, stays) =
        (SELECT afterwards, act_at, stays FROM afterwards_of_items WHERE item_id = new.item_id)
    WHERE id = new.id;
END;
CREATE TRIGGER other_file_has_no_afterwards AFTER UPDATE OF state ON files
WHEN new.state <> 'held' AND old.state <> new.state AND old.afterwards IS NOT NULL BEGIN
    UPDATE files SET afterwards = NULL, act_at = NULL, stays = NULL WHERE id = new.id;
END;
CREATE TRIGGER item_has_afterwards AFTER UPDATE OF state, read_back ON items
WHEN (old.state <> new.state OR old.read_back IS NOT new.read_back)
     AND (old.state IN ('created', 'verified') OR new.state IN ('created', 'verified'))
     AND EXISTS (SELECT 1 FROM roots WHERE acts = 1) BEGIN
    UPDATE files SET (afterwards, act_at, stays) =
        (SELECT afterwards, act_at, stays FROM afterwards_of_items WHERE item_id = new.id)
    WHERE item_id = new.id AND state = 'held'
          AND EXISTS (SELECT 1 FROM roots WHERE roots.id = files.root_id AND acts = 1);
END;
-- A file is not let go before its picture stands wherever it belongs; then it is looked at at once.
CREATE TRIGGER placement_has_afterwards AFTER UPDATE OF state ON placements
WHEN old.state = 'wanted' AND new.state <> 'wanted' AND EXISTS (SELECT 1 FROM roots WHERE acts = 1) BEGIN
    UPDATE files SET act_at = 0 WHERE item_id = new.item_id AND afterwards = 'ready';
END;
