-- The checks of `files` without lists. For each list of more than two words SQLite makes a small table
-- and throws it away, for each row that it checks: three of them for each new file, a sixth of the
-- time of a first scan. The checks say the same as before and no row is touched, so only the text is
-- changed, in the way that https://sqlite.org/lang_altertable.html (section 7) describes for changes
-- that do not concern what is on the disk.
PRAGMA writable_schema = on;
UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
    'CHECK (state IN (''settling'', ''queued'', ''claimed'', ''held'', ''refused'', ''gone''))',
    'CHECK (state = ''settling'' OR state = ''queued'' OR state = ''claimed'' OR state = ''held''
                                      OR state = ''refused'' OR state = ''gone'')'),
    'CHECK (state NOT IN (''queued'', ''claimed'', ''held'') OR (album_id IS NOT NULL AND order_key IS NOT NULL))',
    'CHECK ((state <> ''queued'' AND state <> ''claimed'' AND state <> ''held'')
           OR (album_id IS NOT NULL AND order_key IS NOT NULL))'),
    'CHECK (afterwards IN (''waits'', ''ready'', ''stays'', ''done''))',
    'CHECK (afterwards = ''waits'' OR afterwards = ''ready'' OR afterwards = ''stays'' OR afterwards = ''done'')')
WHERE type = 'table' AND name = 'files';
-- Whoever has the database open reads the schema anew when its number changes, as by any statement
-- that makes or drops a table.
CREATE TABLE files_checked (n INTEGER) STRICT;
DROP TABLE files_checked;
PRAGMA writable_schema = reset;
