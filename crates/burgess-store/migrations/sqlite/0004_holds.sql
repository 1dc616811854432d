-- The state of a legal hold says what it covers, as its events do in the open part of their entries:
-- a database put back from an older copy learns of holds from the ledger alone.

DROP VIEW heads;
ALTER TABLE holds RENAME TO holds_before;
DROP INDEX holds_in_force;

CREATE TABLE holds (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (
        state = 'released ' || id
        OR substr(state, 1, length(id) + 8) = 'placed ' || id || ' '
    ),
    placed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

INSERT INTO holds
    SELECT id,
        CASE state
            WHEN 'released' THEN 'released ' || id
            ELSE 'placed ' || id || ' '
                || (record ->> '$.covers.kind') || ' ' || (record ->> '$.covers.of')
                || COALESCE((SELECT group_concat(' ' || value, '')
                    FROM json_each(record, '$.also')), '')
        END,
        placed_at, revision, record
    FROM holds_before;
DROP TABLE holds_before;
CREATE INDEX holds_in_force ON holds (placed_at) WHERE substr(state, 1, 7) = 'placed ';

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
