-- Items that wait for their bytes. When roots are opened or go away, each of them looks for a file that
-- can be read now; and there may be a million items beside them.
CREATE INDEX items_waiting ON items (id) WHERE state = 'queued';
