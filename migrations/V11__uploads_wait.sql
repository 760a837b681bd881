-- Whether bytes go up, why not, and until when; one row. `until` is when something is tried again.
-- `asked` says that the service asked for the wait: then it is owed by the account and outlives the
-- process, as the wait of the lane does. What else is waited for is our own caution, and a new process
-- has none.
CREATE TABLE uploads (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    state  TEXT NOT NULL CHECK (state IN ('open', 'waiting')),
    reason TEXT,
    until  INTEGER,
    asked  INTEGER NOT NULL CHECK (asked IN (0, 1)),
    CHECK ((state = 'waiting') = (until IS NOT NULL))
) STRICT;
INSERT INTO uploads VALUES (1, 'open', NULL, NULL, 0);
