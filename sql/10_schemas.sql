-- Schemas. No IF NOT EXISTS: a schema somebody made before us must not be used (42P06).
CREATE SCHEMA df;
CREATE SCHEMA df_internal;
CREATE SCHEMA _duroxide;
REVOKE ALL ON SCHEMA df FROM PUBLIC;
REVOKE ALL ON SCHEMA df_internal FROM PUBLIC;
COMMENT ON SCHEMA df IS 'pg_durable: what users see';
COMMENT ON SCHEMA df_internal IS 'pg_durable: the engine''s tables; written by the library only';
COMMENT ON SCHEMA _duroxide IS 'pg_durable: what scripts for the original ask whether it is ready';
