-- What nobody can be sure of: places that a lost answer may have filled otherwise than planned, and
-- media items that were known again without their bytes.

-- The item was in a call whose answer was lost and that could not be repeated word for word. If that
-- call did its work, the item has stood in the album since, wherever that was. So its place counts
-- only once the album was read.
ALTER TABLE placements ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0 CHECK (doubtful IN (0, 1));
CREATE INDEX placements_doubtful ON placements (album_id) WHERE doubtful = 1;

-- `rebuild` knew the media item by name, time and size in pixels. Nobody knows whether its bytes are
-- those on disk, so no file is moved or deleted for it.
ALTER TABLE items ADD COLUMN matched INTEGER NOT NULL DEFAULT 0 CHECK (matched IN (0, 1));

DROP VIEW afterwards_of_items;
CREATE VIEW afterwards_of_items (item_id, afterwards, act_at, stays) AS
SELECT id,
       CASE WHEN state NOT IN ('created', 'verified') THEN NULL
            WHEN matched = 1 OR read_back = 'unsound' THEN 'stays'
            WHEN read_back = 'sound' AND state = 'verified' THEN 'ready'
            ELSE 'waits' END,
       CASE WHEN state NOT IN ('created', 'verified') OR matched = 1 OR read_back = 'unsound' THEN NULL
            WHEN read_back = 'sound' AND state = 'verified' THEN 0
            ELSE coalesce(verify_at, 0) END,
       CASE WHEN state NOT IN ('created', 'verified') THEN NULL
            WHEN matched = 1 THEN '`albumen rebuild` knew its picture by name and time, not by its bytes'
            WHEN read_back = 'unsound' THEN coalesce(reason, 'Google Photos has it, but not as it should be') END
FROM items;
