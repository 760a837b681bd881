-- Albums that stood at the service before this database knew of any. A database that is new may stand in
-- for one that was lost, and one that was brought back has forgotten what came after it. So before the
-- first album is made the service's list is read, once: the key `albums_listed` of `meta` says when. What
-- it had that no row is waits here until its title is wanted. A title is as Albumen would write it.
CREATE TABLE listed_albums (
    album_id    TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    product_url TEXT,
    -- How many items the service counted: of two albums of one title the fuller is meant.
    items       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_albums_by_title ON listed_albums (title);

-- The album was found in that list, so anything may stand in it already, at any place. What is put into it
-- counts as in its place only after the album was read, which is done once nothing more goes there.
ALTER TABLE albums ADD COLUMN found INTEGER NOT NULL DEFAULT 0 CHECK (found IN (0, 1));
