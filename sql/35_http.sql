-- HTTP steps. Who may use them, in both forms and when they run, is decided by EXECUTE on the functions with five
-- arguments.
CREATE FUNCTION df.http(
    url text, method text DEFAULT 'POST', body text DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30)
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http';
CREATE FUNCTION df.http_multipart(
    url text, method text DEFAULT 'POST', parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30)
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_multipart';

-- The same with more to say: where redirects may lead, and how often the request is sent.
--
-- A call that gives one of the last four arguments fits these only. A call that gives none fits both, and its URL
-- decides: for a literal, and for every type but varchar, text is the better match, as the preferred type of its
-- category, so that the functions above are found whatever else the call has. A varchar is found here and loses
-- nothing by it: with the defaults of the last four both build the same. A parameter of no known type becomes text.
CREATE FUNCTION df.http(
    url varchar, method text DEFAULT 'POST', body text DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30, follow_redirects bool DEFAULT false, retries int4 DEFAULT 0,
    backoff interval DEFAULT '1 second', on_unknown text DEFAULT 'retry')
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_delivered';
CREATE FUNCTION df.http_multipart(
    url varchar, method text DEFAULT 'POST', parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    timeout_seconds int4 DEFAULT 30, follow_redirects bool DEFAULT false, retries int4 DEFAULT 0,
    backoff interval DEFAULT '1 second', on_unknown text DEFAULT 'retry')
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'df_http_multipart_delivered';

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
