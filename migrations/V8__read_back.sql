-- A read-back counts for a file only if the service was asked after that file was held, and after its
-- folder was told to act: what it said before tells nothing about today.

-- When the answer came that `read_back` holds. One of long ago does not let a file go.
ALTER TABLE items ADD COLUMN read_back_at INTEGER;

-- Counts up whenever what was said of the item so far stops counting. An answer to a question of
-- before, which may still be on its way then, lets no file go.
ALTER TABLE items ADD COLUMN question INTEGER NOT NULL DEFAULT 0;

-- So a file that becomes held waits, even if its item was read back; whoever arranges for the next
-- question takes back what was said to the last one.
DROP TRIGGER held_file_has_afterwards;
CREATE TRIGGER held_file_has_afterwards AFTER UPDATE OF state, item_id ON files
WHEN new.state = 'held' AND (old.state <> 'held' OR old.item_id IS NOT new.item_id)
     AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND acts = 1) BEGIN
    UPDATE items SET question = question + 1 WHERE id = new.item_id;
    UPDATE files SET (afterwards, act_at, stays) =
        (SELECT iif(afterwards = 'ready', 'waits', afterwards), act_at, stays
         FROM afterwards_of_items WHERE item_id = new.item_id)
    WHERE id = new.id;
END;
DROP TRIGGER held_file_begins_afterwards;
CREATE TRIGGER held_file_begins_afterwards AFTER INSERT ON files
WHEN new.state = 'held' AND EXISTS (SELECT 1 FROM roots WHERE id = new.root_id AND acts = 1) BEGIN
    UPDATE items SET question = question + 1 WHERE id = new.item_id;
    UPDATE files SET (afterwards, act_at, stays) =
        (SELECT iif(afterwards = 'ready', 'waits', afterwards), act_at, stays
         FROM afterwards_of_items WHERE item_id = new.item_id)
    WHERE id = new.id;
END;

-- A file whose question was called off waits for none: it is arranged for anew.
CREATE TRIGGER question_is_called_off AFTER UPDATE OF verify_at ON items
WHEN new.verify_at IS NULL AND old.verify_at IS NOT NULL AND EXISTS (SELECT 1 FROM roots WHERE acts = 1) BEGIN
    UPDATE files SET act_at = 0 WHERE item_id = new.id AND afterwards = 'waits' AND act_at > 0;
END;

-- A folder that files are moved to (`move:DIR`), and where the disk is mounted that it was on when the
-- last ones were. While it is not on that one, the disk is not mounted, and nothing is moved there.
CREATE TABLE targets (
    path  BLOB PRIMARY KEY,
    mount BLOB NOT NULL
) STRICT, WITHOUT ROWID;
