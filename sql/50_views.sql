-- What users read. security_barrier, owner's rights, SELECT only: more would let a user lock the engine's tables.

-- A role's own rows by an index, or every row for those who see all; the branch that does not apply is never executed.
CREATE VIEW df_internal.visible_instances WITH (security_barrier) AS
SELECT * FROM df_internal.instances
 WHERE role OPERATOR(pg_catalog.=) df_internal.me() AND NOT df_internal.sees_all()
   AND df_internal.at_home(home, role_name)
UNION ALL
SELECT * FROM df_internal.instances
 WHERE df_internal.sees_all();

CREATE VIEW df_internal.visible_variables WITH (security_barrier) AS
SELECT * FROM df_internal.variables
 WHERE role OPERATOR(pg_catalog.=) df_internal.me() AND NOT df_internal.sees_all()
   AND df_internal.at_home(home, role_name)
UNION ALL
SELECT * FROM df_internal.variables
 WHERE df_internal.sees_all();

CREATE VIEW df.instances WITH (security_barrier) AS
SELECT i.public_id AS id,
       i.label,
       s.root_node,
       s.status,
       i.role::pg_catalog.regrole AS submitted_by,
       i.database,
       i.created_at,
       s.updated_at,
       s.completed_at
  FROM df_internal.visible_instances i
 CROSS JOIN LATERAL df_internal.instance_state(i.id) s;

CREATE VIEW df.nodes WITH (security_barrier) AS
SELECT n.id,
       i.public_id AS instance_id,
       n.node_type,
       n.query,
       n.result_name,
       n.left_node,
       n.right_node,
       n.status,
       n.result::pg_catalog.jsonb AS result,
       n.error,
       i.role::pg_catalog.regrole AS submitted_by,
       i.database,
       i.created_at,
       n.updated_at,
       n.status_details::pg_catalog.jsonb AS status_details
  FROM df_internal.visible_instances i
 CROSS JOIN LATERAL df_internal.stored_nodes(i.id) n;

CREATE VIEW df.vars WITH (security_barrier) AS
SELECT v.name, v.value, v.owner
  FROM (SELECT DISTINCT ON (role, name) name, value, role::pg_catalog.regrole AS owner
          FROM df_internal.visible_variables
         ORDER BY role, name, number DESC) v
 WHERE v.value IS NOT NULL;
