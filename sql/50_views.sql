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
SELECT i.public_id::varchar AS id,
       i.label,
       s.root_node::varchar AS root_node,
       s.status,
       i.role::pg_catalog.regrole AS submitted_by,
       i.database,
       i.created_at,
       s.updated_at,
       s.completed_at
  FROM df_internal.visible_instances i
 CROSS JOIN LATERAL df_internal.instance_state(i.id) s;

CREATE VIEW df.nodes WITH (security_barrier) AS
SELECT n.id::varchar AS id,
       i.public_id::varchar AS instance_id,
       n.node_type,
       n.query,
       n.result_name,
       n.left_node::varchar AS left_node,
       n.right_node::varchar AS right_node,
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

-- Nobody writes through the views: who lacks the privilege hears that from the server, everybody else from these. The
-- rewriter asks for INSTEAD OF; the trigger for the statement speaks also where no row would be touched.
CREATE FUNCTION df_internal.refuse_write() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'df_refuse_write';
CREATE TRIGGER refuse_rows INSTEAD OF INSERT OR UPDATE OR DELETE ON df.instances
    FOR EACH ROW EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON df.instances
    FOR EACH STATEMENT EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse_rows INSTEAD OF INSERT OR UPDATE OR DELETE ON df.nodes
    FOR EACH ROW EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON df.nodes
    FOR EACH STATEMENT EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse_rows INSTEAD OF INSERT OR UPDATE OR DELETE ON df.vars
    FOR EACH ROW EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON df.vars
    FOR EACH STATEMENT EXECUTE FUNCTION df_internal.refuse_write();

COMMENT ON COLUMN df.instances.submitted_by IS 'role that started the instance; its steps run as this role';
COMMENT ON COLUMN df.nodes.submitted_by IS 'role that started the instance; the node runs as this role';
COMMENT ON COLUMN df.nodes.status_details IS 'execution_id says in which execution the node got its status';
