-- The last line of the script: the library stamps where this database is at home and writes the catalog's version.
CREATE FUNCTION df_internal.initialize() RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_initialize';
SELECT df_internal.initialize();
DROP FUNCTION df_internal.initialize();
