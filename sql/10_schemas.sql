-- Schemas. No IF NOT EXISTS: a schema somebody made before us must not be used (42P06).
CREATE SCHEMA df;
CREATE SCHEMA df_internal;
REVOKE ALL ON SCHEMA df FROM PUBLIC;
REVOKE ALL ON SCHEMA df_internal FROM PUBLIC;
COMMENT ON SCHEMA df IS 'pg_durable: what users see';
COMMENT ON SCHEMA df_internal IS 'pg_durable: the engine''s tables; written by the library only';
