-- HTTP steps. Who may use them is decided when they run, by EXECUTE on the functions with five arguments; the others
-- only build the same graphs.
CREATE FUNCTION df.http(
    url text, method text DEFAULT 'POST', body text DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30)
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http';
CREATE FUNCTION df.http_multipart(
    url text, method text DEFAULT 'POST', parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30)
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_multipart';

-- The same with more to say. `retries` has no default and stands where the others take a text, and what follows has
-- the same types there, so that no call fits both, whatever literals it has.
CREATE FUNCTION df.http(
    url text, retries int4, body text DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds int4 DEFAULT 30,
    method text DEFAULT 'POST', backoff interval DEFAULT '1 second', follow_redirects bool DEFAULT false,
    on_unknown text DEFAULT 'retry')
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_retrying';
CREATE FUNCTION df.http_multipart(
    url text, retries int4, parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds int4 DEFAULT 30,
    method text DEFAULT 'POST', backoff interval DEFAULT '1 second', follow_redirects bool DEFAULT false,
    on_unknown text DEFAULT 'retry')
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_multipart_retrying';

-- Rules per role, 'public' for every role; for superusers.
CREATE FUNCTION df.http_allow(role text, pattern text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_http_allow';
CREATE FUNCTION df.http_deny(role text, pattern text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_http_deny';
CREATE FUNCTION df.http_forget(role text, pattern text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_http_forget';
CREATE FUNCTION df.http_rules() RETURNS TABLE (role text, pattern text, allowed bool)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'df_http_rules';

REVOKE ALL ON FUNCTION df.http(text, text, text, jsonb, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http_multipart(text, text, jsonb, jsonb, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http_allow(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http_deny(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http_forget(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http_rules() FROM PUBLIC;
