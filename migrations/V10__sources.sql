-- Items that wait for their bytes. When roots are opened or go away, each of them looks for a file that
-- can be read now; and there may be a million items beside them.
CREATE INDEX items_waiting ON items (id) WHERE state = 'queued';

-- Files that another program has sent, to know them again under another name: they have no item.
CREATE INDEX files_imported ON files (inode) WHERE state = 'refused' AND reason_kind = 'imported';
