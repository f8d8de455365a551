-- Whether work is done here, under the names that scripts for the original look at; read from where the truth is.

-- One row where durable functions can be started, no row in a copy that nobody adopted.
CREATE VIEW _duroxide._worker_ready WITH (security_barrier) AS
SELECT true AS sentinel, 1 AS schema_version, w.initialized_at FROM df_internal.worker_ready() w;

-- One row; last_seen_at is the present moment while the processes do their work.
CREATE VIEW df._worker_epoch WITH (security_barrier) AS
SELECT w.epoch_id, w.started_at, w.last_seen_at FROM df_internal.worker_epoch() w;

GRANT USAGE ON SCHEMA _duroxide TO PUBLIC;
GRANT SELECT ON _duroxide._worker_ready TO PUBLIC;

CREATE TRIGGER refuse_rows INSTEAD OF INSERT OR UPDATE OR DELETE ON _duroxide._worker_ready
    FOR EACH ROW EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON _duroxide._worker_ready
    FOR EACH STATEMENT EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse_rows INSTEAD OF INSERT OR UPDATE OR DELETE ON df._worker_epoch
    FOR EACH ROW EXECUTE FUNCTION df_internal.refuse_write();
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON df._worker_epoch
    FOR EACH STATEMENT EXECUTE FUNCTION df_internal.refuse_write();
