-- The tables of the state.
--
-- Columns beside `record` exist to be constrained, joined or filtered by; `record` is the whole
-- value as JSON and is what is read back. Times are microseconds since the Unix epoch, UTC.
-- `revision` counts the changes of a record from 1. Digests are 64 lowercase hexadecimal digits.

CREATE TABLE apps (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    developer TEXT NOT NULL CHECK (developer <> ''),
    -- R4: no app without an owner.
    owner TEXT NOT NULL CHECK (owner <> ''),
    second_owner TEXT,
    -- R3: no app without a class.
    classification TEXT NOT NULL
        CHECK (classification IN ('public', 'internal', 'sensitive', 'pii', 'phi')),
    -- R2: every app has its place in the inventory.
    state TEXT NOT NULL CHECK (state <> ''),
    band TEXT NOT NULL,
    score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX apps_by_owner ON apps (owner);

-- Last use is noted on every call, so it is not part of the governed record.
CREATE TABLE app_activity (
    app TEXT NOT NULL PRIMARY KEY REFERENCES apps (id),
    last_used_at INTEGER NOT NULL
) STRICT;

CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    state TEXT NOT NULL CHECK (state <> ''),
    submitted_by TEXT NOT NULL,
    submitted_at INTEGER NOT NULL,
    warn_at INTEGER,
    due_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX requests_by_app ON requests (app, submitted_at);
CREATE INDEX requests_by_state ON requests (state, due_at);

CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    request TEXT NOT NULL REFERENCES requests (id),
    state TEXT NOT NULL CHECK (state <> ''),
    granted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX approvals_by_app ON approvals (app, granted_at);
CREATE INDEX approvals_by_expiry ON approvals (state, expires_at);

CREATE TABLE artifacts (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    normalised TEXT NOT NULL,
    raw TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_app ON artifacts (app, uploaded_at);

CREATE TABLE evidence (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    -- Normalised digest of the artifact it was seen on; NULL while there is none.
    artifact TEXT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_by_app ON evidence (app, artifact, kind, recorded_at);

CREATE TABLE deployments (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'staging', 'production')),
    state TEXT NOT NULL CHECK (state <> ''),
    deployed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX deployments_by_app ON deployments (app, environment, deployed_at);

CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'staging', 'production')),
    state TEXT NOT NULL CHECK (state <> ''),
    issued_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX credentials_by_app ON credentials (app, environment, state);

CREATE TABLE reviews (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    state TEXT NOT NULL CHECK (state <> ''),
    due_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX reviews_by_due ON reviews (state, due_at);
CREATE INDEX reviews_by_app ON reviews (app, due_at);

CREATE TABLE reminders (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (id),
    kind TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX reminders_by_app ON reminders (app, kind, sent_at);

CREATE TABLE retirements (
    -- One per app: retiring is done once.
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT NOT NULL UNIQUE REFERENCES apps (id),
    state TEXT NOT NULL CHECK (state <> ''),
    scheduled_for INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

CREATE TABLE alerts (
    id TEXT NOT NULL PRIMARY KEY,
    app TEXT REFERENCES apps (id),
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'closed')),
    raised_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_state ON alerts (state, raised_at);

CREATE TABLE people (
    id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

CREATE TABLE role_bindings (
    person TEXT NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    PRIMARY KEY (person, role)
) STRICT;
CREATE INDEX role_bindings_by_role ON role_bindings (role);

CREATE TABLE invites (
    -- SHA-256 of the secret in the link; the secret itself is nowhere.
    id TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id),
    state TEXT NOT NULL CHECK (state IN ('open', 'used')),
    expires_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    -- SHA-256 of the secret in the cookie.
    id TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id),
    started_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    idle_micros INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person);

CREATE TABLE connectors (
    id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

CREATE TABLE connector_secrets (
    -- connector/environment
    id TEXT NOT NULL PRIMARY KEY,
    connector TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'staging', 'production')),
    sealed BLOB NOT NULL,
    key_id TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1)
) STRICT;

CREATE TABLE datasets (
    id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    record TEXT NOT NULL
) STRICT;

CREATE TABLE policies (
    -- What it governs: one is in force of each kind.
    id TEXT NOT NULL PRIMARY KEY,
    -- The digest in force is the state, so that activating another one takes an event.
    state TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1)
) STRICT;

CREATE TABLE policy_texts (
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL,
    activated_by TEXT NOT NULL,
    activated_at INTEGER NOT NULL,
    PRIMARY KEY (kind, digest)
) STRICT;

CREATE TABLE subject_keys (
    -- Fingerprint of the person or client whose personal values the key opens.
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('active', 'erased')),
    wrapped BLOB,
    created_at INTEGER NOT NULL,
    erased_at INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    CHECK ((state = 'active') = (wrapped IS NOT NULL))
) STRICT;

CREATE TABLE wrapped_keys (
    id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'retired')),
    wrapped BLOB NOT NULL,
    public TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1)
) STRICT;
CREATE INDEX wrapped_keys_by_purpose ON wrapped_keys (purpose, created_at);

CREATE TABLE settings (
    id TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1)
) STRICT;

CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency (created_at);

CREATE TABLE telemetry (
    app TEXT NOT NULL REFERENCES apps (id),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'staging', 'production')),
    -- Normalised digest of the artifact that sent them.
    artifact TEXT NOT NULL,
    heartbeat_at INTEGER,
    event_at INTEGER,
    PRIMARY KEY (app, environment, artifact)
) STRICT;

CREATE TABLE outbox (
    source_seq INTEGER NOT NULL PRIMARY KEY CHECK (source_seq >= 1),
    created_at INTEGER NOT NULL,
    event TEXT NOT NULL
) STRICT;

CREATE TABLE outbox_head (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    last_seq INTEGER NOT NULL,
    drained_seq INTEGER NOT NULL CHECK (drained_seq <= last_seq)
) STRICT;
INSERT INTO outbox_head (one, last_seq, drained_seq) VALUES (1, 0, 0);

-- What a commit compares with: of each governed record its state and its revision. Links and keys
-- are also used up or made outside of commits, so their state is not one that events replay.
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
    UNION ALL SELECT 'setting', id, NULL, NULL, revision FROM settings;
