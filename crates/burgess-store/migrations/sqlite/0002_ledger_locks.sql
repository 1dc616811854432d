-- The lock table: the newest signed checkpoint of each log, moved before the log's folder says so.

CREATE TABLE ledger_locks (
    origin TEXT NOT NULL PRIMARY KEY,
    -- The whole signed note, byte for byte.
    note TEXT NOT NULL CHECK (note <> '')
) STRICT;
