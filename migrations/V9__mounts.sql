-- Disks that are mounted inside of folders, and folders that left the configuration: what was on them
-- is not seen, and was deleted by nobody.

-- 'there': when it was last read, the directory was on another file system than the one above it.
-- 'away': since then nothing is mounted on it, and its files are left alone as those of a root that is
-- away; `status` tells. An empty path is the root itself, whose being away stands in `roots`.
ALTER TABLE dirs ADD COLUMN mount TEXT CHECK (mount = 'there' OR mount = 'away');
CREATE INDEX dirs_mounted ON dirs (root_id) WHERE mount IS NOT NULL;

-- When the folder left the configuration. For a week its files hold their photos in their albums, as
-- those of a folder do that was left out by mistake; then they belong to nobody.
ALTER TABLE roots ADD COLUMN dropped_at INTEGER;
