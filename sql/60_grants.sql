CREATE FUNCTION df.grant_usage(p_role text, include_http bool DEFAULT false, with_grant bool DEFAULT false)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    option text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
BEGIN
    IF include_http THEN
        RAISE EXCEPTION 'df.http() is not part of this version' USING ERRCODE = 'feature_not_supported';
    END IF;
    IF p_role = 'public' AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'must be superuser to grant df usage privileges to PUBLIC'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA df TO %I%s', p_role, option);
    EXECUTE pg_catalog.format('GRANT SELECT ON df.instances, df.nodes, df.vars TO %I%s', p_role, option);
    IF with_grant THEN
        EXECUTE pg_catalog.format(
            'GRANT EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean), df.revoke_usage(text) TO %I%s',
            p_role, option);
    END IF;
    RAISE NOTICE 'pg_durable: granted df usage privileges to "%"', p_role;
END
$$;

CREATE FUNCTION df.revoke_usage(p_role text)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        EXECUTE pg_catalog.format(
            'REVOKE EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean), df.revoke_usage(text) FROM %I CASCADE',
            p_role);
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
    EXECUTE pg_catalog.format('REVOKE SELECT ON df.instances, df.nodes, df.vars FROM %I CASCADE', p_role);
    EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA df FROM %I CASCADE', p_role);
    RAISE NOTICE 'pg_durable: revoked df usage privileges granted by "%" from "%"', current_user, p_role;
END
$$;

REVOKE ALL ON FUNCTION df.grant_usage(text, boolean, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.revoke_usage(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.adopt() FROM PUBLIC;
