-- Files that another uploader has sent, as `import` was told. They are `refused` with the reason_kind
-- 'imported': they do not go up, and they are no trouble either, so that the index behind the list of
-- trouble leaves them out as it leaves out other kinds of file.
DROP INDEX files_refused;
CREATE INDEX files_refused ON files (changed_at)
    WHERE state = 'refused' AND reason_kind NOT IN ('other_kind', 'imported');
