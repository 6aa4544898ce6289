CREATE TABLE shared.tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug text UNIQUE NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$'),
    name text NOT NULL,
    schema_name text UNIQUE NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    backup_retention text
);
COMMENT ON COLUMN shared.tenants.backup_retention IS
    'Backups to keep, such as daily=14 weekly=8 monthly=24; what it does not name is as set for all';
COMMENT ON TABLE shared.tenants IS 'All tenants; each lives in the schema its row names';
