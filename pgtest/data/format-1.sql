-- Instances in format 1 (envelope format 1, journal format 1): every kind of journal entry, both spellings of results.
CREATE TABLE public.format_effects (n int);
GRANT ALL ON public.format_effects TO alice;

INSERT INTO df_internal.graphs VALUES
    (101, 'alice'::regrole, 1, '\x01', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"RACE","left_node":{"node_type":"SLEEP","query":"60"},"right_node":{"node_type":"SQL","query":"SELECT 5 AS n"},"result_name":"r"},"right_node":{"node_type":"JOIN","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":60}"},"right_node":{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"INSERT INTO public.format_effects VALUES ($r)"},"condition_node":{"node_type":"SQL","query":"SELECT false"}},"result_name":"j"}},"right_node":{"node_type":"SQL","query":"WITH e AS (INSERT INTO public.format_effects VALUES (1)) SELECT $j::jsonb->0->>''data'' AS d, {v} AS v"}}'),
    (102, 'alice'::regrole, 1, '\x02', '{"node_type":"THEN","left_node":{"node_type":"SLEEP","query":"1"},"right_node":{"node_type":"SQL","query":"INSERT INTO public.format_effects VALUES (2)"}}'),
    (103, 'alice'::regrole, 1, '\x03', '{"node_type":"SQL","query":"SELECT 1/0"}'),
    (104, 'alice'::regrole, 1, '\x04', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"SELECT 1 AS n","result_name":"a"},"right_node":{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"INSERT INTO public.format_effects SELECT $a + $b RETURNING n","result_name":"b"},"condition_node":{"node_type":"SQL","query":"SELECT $b < 40"}}}');

INSERT INTO df_internal.instances (id, graph, home, created_at, role, started_by, format, public_id, role_name, label, variables)
SELECT v.id, v.graph, h.stamp, '2026-01-02 03:04:05+00', 'alice'::regrole, 'alice'::regrole, 1, v.public_id, 'alice', 'old', '{"v":"42"}'
  FROM df_internal.home h,
       (VALUES (1, 101, 'f0000001'), (2, 102, 'f0000002'), (3, 104, 'f0000003'), (11, 103, 'f0000011'), (12, 103, 'f0000012'),
               (13, 103, 'f0000013')) v (id, graph, public_id);

INSERT INTO df_internal.journal (instance, at, branch, sequence, node, kind, number, payload) VALUES
    (1, '2026-01-02 03:04:06+00', 0, 1, 2, 7, (1::int8 << 32) | 2, NULL),
    (1, '2026-01-02 03:04:07+00', 0, 2, 2, 8, 1, NULL),
    (1, '2026-01-02 03:04:07+00', 0, 3, 5, 7, (3::int8 << 32) | 2, NULL),
    (1, '2026-01-02 03:04:06+00', 1, 1, 3, 4, 820638306000000, NULL),
    (1, '2026-01-02 03:04:07+00', 2, 1, 4, 1, NULL, '{"rows":[{"n":5}],"row_count":1}'),
    (1, '2026-01-02 03:04:07+00', 3, 1, 6, 4, 820638307000000, NULL),
    (1, '2026-01-02 03:04:08+00', 3, 2, 6, 6, NULL, '{"ok":true}'),
    (1, '2026-01-02 03:04:08+00', 4, 1, 8, 3, 1, NULL),
    (1, '2026-01-02 03:04:09+00', 4, 2, 8, 1, 1, NULL),
    (1, '2026-01-02 03:04:10+00', 4, 3, 9, 1, NULL, '{"rows":[{"?column?":false}],"row_count":1}'),
    (2, '2026-01-02 03:04:06+00', 0, 1, 1, 4, 820638247000000, NULL),
    (2, '2026-01-02 03:04:07+00', 0, 2, 1, 5, NULL, NULL),
    (3, '2026-01-02 03:04:06+00', 0, 1, 1, 1, NULL, '{"rows":[{"n":1}],"row_count":1}'),
    (3, '2026-01-02 03:04:50+00', 0, 75, 2, 9, 38, '{"base":1,"kept":75,"branch":1,"names":{"b":"{\"rows\":[{\"n\":38}],\"row_count\":1}"}}'),
    (11, '2026-01-02 03:04:06+00', 0, 1, 0, 2, NULL, '{"sqlstate":"22012","message":"boom","detail":"d","hint":"h","context":"c"}'),
    (12, '2026-01-02 03:04:06+00', 0, 1, 0, 1, 7, NULL);

INSERT INTO df_internal.ended (instance, at, status, value, failure) VALUES
    (11, '2026-01-02 03:04:06+00', 2, 'boom', '{"sqlstate":"22012","message":"boom"}'),
    (12, '2026-01-02 03:04:06+00', 1, '{"rows":[],"row_count":7}', NULL),
    (13, '2026-01-02 03:04:06+00', 3, 'why not', NULL);

INSERT INTO df_internal.active (role, instance, branch) VALUES ('alice'::regrole, 1, 0), ('alice'::regrole, 2, 0), ('alice'::regrole, 3, 0);
