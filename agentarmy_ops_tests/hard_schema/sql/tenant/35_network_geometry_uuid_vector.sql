CREATE TABLE odd_types (
    id uuid PRIMARY KEY,
    ip inet, net cidr, mac macaddr, mac8 macaddr8,
    pt point, ln line, seg lseg, bx box, pa path, pg polygon, ci circle,
    lsn pg_lsn, snap pg_snapshot, tid tid, xid xid, fn regprocedure, ty regtype, rel regclass
);
INSERT INTO odd_types VALUES
    ('00000000-0000-0000-0000-000000000000', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
     '(NaN,-Infinity)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,0)]', '((0,0),(1,1),(1,0))', '<(0,0),1.5>',
     '16/B374D848', '10:20:10,14', '(0,1)', '4294967295', 'pg_catalog.lower(text)', 'integer', 'pg_catalog.pg_class'),
    ('ffffffff-ffff-ffff-ffff-ffffffffffff', '::ffff:1.2.3.4', '2001:db8::/32', NULL, NULL,
     '(1e300,1e-300)', NULL, NULL, NULL, '((0,0),(1,0))', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'mood', 'enums');
CREATE INDEX odd_types_pt ON odd_types USING spgist (pt);
CREATE INDEX odd_types_box ON odd_types USING gist (bx, ci);
CREATE INDEX odd_types_ip ON odd_types USING gist (ip inet_ops);

CREATE TABLE embeddings (
    id integer PRIMARY KEY,
    tenant_id uuid NOT NULL DEFAULT current_setting('app.current_tenant_id')::uuid,
    v public.vector(3), h public.halfvec(3), s public.sparsevec(10), free public.vector
);
INSERT INTO embeddings (id, v, h, s, free)
SELECT i, format('[%s,%s,%s]', i, sin(i), 1.0 / i)::public.vector, format('[%s,%s,0.5]', i % 7, -i)::public.halfvec,
       format('{%s:%s}/10', 1 + i % 10, i)::public.sparsevec, format('[%s]', i)::public.vector
FROM generate_series(1, 400) AS i;
CREATE INDEX embeddings_hnsw ON embeddings USING hnsw (v public.vector_cosine_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX "embeddings ivf" ON embeddings USING ivfflat (v public.vector_l2_ops) WITH (lists = 4);
