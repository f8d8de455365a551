CREATE FUNCTION df.explain(input text) RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_explain';

-- The text that each SQL step really ran with, in its last attempt: derived from the journal when somebody asks.
CREATE FUNCTION df.executed_sql(instance_id text)
    RETURNS TABLE (node_id text, sql text, size int8)
    LANGUAGE c STRICT ROWS 10 AS 'MODULE_PATHNAME', 'df_executed_sql';
