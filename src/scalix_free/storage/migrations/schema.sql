-- What the migrations make of an empty SQLite file: python -m tests.storage.schema

BEGIN IMMEDIATE;

CREATE TABLE accounts (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_mailbox_key UNIQUE (mailbox)
);

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    shown TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest),
    CONSTRAINT api_keys_account_id_fkey FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE INDEX api_keys_account_id ON api_keys (account_id);

CREATE TABLE erased (
    fingerprint TEXT NOT NULL,
    expires_ms BIGINT NOT NULL,
    CONSTRAINT erased_pkey PRIMARY KEY (fingerprint)
);

CREATE INDEX erased_expires_ms ON erased (expires_ms);

CREATE TABLE leads (
    mailbox TEXT NOT NULL,
    owner TEXT NOT NULL,
    email TEXT NOT NULL,
    source TEXT,
    consent_ms BIGINT NOT NULL,
    CONSTRAINT leads_pkey PRIMARY KEY (mailbox, owner)
);

CREATE INDEX leads_owner ON leads (owner);

CREATE TABLE ratings (
    rid BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    rating INTEGER NOT NULL,
    comment TEXT,
    CONSTRAINT ratings_pkey PRIMARY KEY (rid),
    CONSTRAINT ratings_rid_fkey FOREIGN KEY(rid) REFERENCES usage (rid) ON DELETE CASCADE
);

CREATE INDEX ratings_at_ms ON ratings (at_ms);

CREATE TABLE reactions (
    id BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    own BLOB NOT NULL,
    owner TEXT,
    tier TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    action TEXT NOT NULL,
    message_id TEXT NOT NULL,
    CONSTRAINT reactions_pkey PRIMARY KEY (id)
);

CREATE INDEX reactions_at_ms ON reactions (at_ms);

CREATE INDEX reactions_owner ON reactions (owner);

CREATE TABLE sessions (
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    address_hash BLOB NOT NULL,
    seen_ms BIGINT,
    day INTEGER NOT NULL,
    requests_today INTEGER NOT NULL,
    revoked BOOLEAN NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (user_id)
);

CREATE INDEX sessions_expires_ms ON sessions (expires_ms);

CREATE INDEX sessions_revoked ON sessions (expires_ms) WHERE revoked;

CREATE TABLE sign_ins (
    mailbox TEXT NOT NULL,
    email TEXT NOT NULL,
    token_digest BLOB NOT NULL,
    code_digest BLOB NOT NULL,
    expires_ms BIGINT NOT NULL,
    guesses INTEGER NOT NULL,
    CONSTRAINT sign_ins_pkey PRIMARY KEY (mailbox),
    CONSTRAINT sign_ins_token_digest_key UNIQUE (token_digest)
);

CREATE INDEX sign_ins_expires_ms ON sign_ins (expires_ms);

CREATE TABLE usage (
    rid BLOB NOT NULL,
    at_ms BIGINT NOT NULL,
    own BLOB NOT NULL,
    address BLOB,
    network BLOB,
    owner TEXT,
    tier TEXT NOT NULL,
    model TEXT,
    result TEXT NOT NULL,
    code TEXT,
    attempts INTEGER NOT NULL,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    charged_tokens BIGINT NOT NULL,
    counts BOOLEAN NOT NULL,
    first_token_ms FLOAT,
    total_ms FLOAT NOT NULL, cache TEXT, spared BOOLEAN DEFAULT 0 NOT NULL,
    CONSTRAINT usage_pkey PRIMARY KEY (rid)
);

CREATE INDEX usage_at_ms ON usage (at_ms);

CREATE INDEX usage_own ON usage (own, at_ms) WHERE (counts OR charged_tokens > 0);

CREATE INDEX usage_address ON usage (address, at_ms) WHERE (counts OR charged_tokens > 0);

CREATE INDEX usage_network ON usage (network, at_ms) WHERE (counts OR charged_tokens > 0);

CREATE INDEX usage_owner ON usage (owner, at_ms) WHERE owner IS NOT NULL;

INSERT INTO alembic_version VALUES ('0005');

COMMIT;
