-- What happens to records over time: legal holds, and erasures with how far they have come.

CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('placed', 'released')),
    placed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX holds_in_force ON holds (placed_at) WHERE state = 'placed';

CREATE TABLE erasures (
    -- Alias of the subject. Nobody can tell the subject from it without the alias key.
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state = 'asked' OR state = 'erased ' || id),
    asked_at INTEGER NOT NULL,
    -- Whether side files, index and archive have been gone through since the key was destroyed.
    swept INTEGER NOT NULL CHECK (swept IN (0, 1)),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

DROP VIEW heads;
CREATE VIEW heads AS
    SELECT 'app' AS kind, id, id AS app, state, revision FROM apps
    UNION ALL SELECT 'request', id, app, state, revision FROM requests
    UNION ALL SELECT 'approval', id, app, state, revision FROM approvals
    UNION ALL SELECT 'artifact', id, app, NULL, revision FROM artifacts
    UNION ALL SELECT 'evidence', id, app, NULL, revision FROM evidence
    UNION ALL SELECT 'deployment', id, app, state, revision FROM deployments
    UNION ALL SELECT 'credential', id, app, state, revision FROM credentials
    UNION ALL SELECT 'review', id, app, state, revision FROM reviews
    UNION ALL SELECT 'reminder', id, app, NULL, revision FROM reminders
    UNION ALL SELECT 'retirement', id, app, state, revision FROM retirements
    UNION ALL SELECT 'alert', id, app, state, revision FROM alerts
    UNION ALL SELECT 'person', id, NULL, state, revision FROM people
    UNION ALL SELECT 'invite', id, NULL, NULL, revision FROM invites
    UNION ALL SELECT 'connector', id, NULL, NULL, revision FROM connectors
    UNION ALL SELECT 'connector_secret', id, NULL, NULL, revision FROM connector_secrets
    UNION ALL SELECT 'dataset', id, NULL, NULL, revision FROM datasets
    UNION ALL SELECT 'policy', id, NULL, state, revision FROM policies
    UNION ALL SELECT 'subject_key', id, NULL, NULL, revision FROM subject_keys
    UNION ALL SELECT 'key', id, NULL, NULL, revision FROM wrapped_keys
    UNION ALL SELECT 'setting', id, NULL, NULL, revision FROM settings
    UNION ALL SELECT 'legal_hold', id, NULL, state, revision FROM holds
    UNION ALL SELECT 'erasure', id, NULL, state, revision FROM erasures;
