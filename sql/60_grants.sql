CREATE FUNCTION df.grant_usage(p_role text, include_http bool DEFAULT false, with_grant bool DEFAULT false)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    option text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
    target text;
    http CONSTANT text[] := ARRAY[
        'df.http(text, text, text, jsonb, integer)', 'df.http_multipart(text, text, jsonb, jsonb, integer)'];
BEGIN
    IF include_http AND to_regprocedure(http[1]) IS NULL THEN
        RAISE EXCEPTION 'df.http() is not part of this version' USING ERRCODE = 'feature_not_supported';
    END IF;
    IF p_role = 'public' AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'must be superuser to grant df usage privileges to PUBLIC'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA df TO %I%s', p_role, option);
    EXECUTE pg_catalog.format('GRANT SELECT ON df.instances, df.nodes, df.vars TO %I%s', p_role, option);
    IF include_http THEN
        FOREACH target IN ARRAY http LOOP
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %I%s', target, p_role, option);
        END LOOP;
    END IF;
    IF with_grant THEN
        EXECUTE pg_catalog.format(
            'GRANT EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean), df.revoke_usage(text), df.metrics() '
            'TO %I%s', p_role, option);
    END IF;
    RAISE NOTICE 'pg_durable: granted df usage privileges to "%"', p_role;
END
$$;

CREATE FUNCTION df.revoke_usage(p_role text)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target text;
BEGIN
    -- Each by itself: who may not take one back takes the others back.
    FOREACH target IN ARRAY ARRAY[
        'df.http(text, text, text, jsonb, integer)', 'df.http_multipart(text, text, jsonb, jsonb, integer)',
        'df.metrics()', 'df.grant_usage(text, boolean, boolean)', 'df.revoke_usage(text)']
    LOOP
        CONTINUE WHEN to_regprocedure(target) IS NULL;
        BEGIN
            EXECUTE pg_catalog.format('REVOKE EXECUTE ON FUNCTION %s FROM %I CASCADE', target, p_role);
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
    EXECUTE pg_catalog.format('REVOKE SELECT ON df.instances, df.nodes, df.vars FROM %I CASCADE', p_role);
    EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA df FROM %I CASCADE', p_role);
    RAISE NOTICE 'pg_durable: revoked df usage privileges granted by "%" from "%"', current_user, p_role;
END
$$;

REVOKE ALL ON FUNCTION df.grant_usage(text, boolean, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.revoke_usage(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.adopt() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.metrics() FROM PUBLIC;
