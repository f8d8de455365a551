CREATE FUNCTION df.wait_for_schedule(cron_expr text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_wait_for_schedule';
CREATE FUNCTION df.wait_for_schedule(cron_expr text, timezone text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_wait_for_schedule';

-- When a schedule fires next after an instant: what the engine computes, for tests and for administrators.
CREATE FUNCTION df_internal.next_tick(cron_expr text, timezone text, after timestamptz) RETURNS timestamptz
    LANGUAGE c AS 'MODULE_PATHNAME', 'df_next_tick';
