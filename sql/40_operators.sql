-- In pg_catalog (the extension's schema), so that they resolve whatever search_path is.
CREATE OPERATOR ~> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.seq);
CREATE OPERATOR |=> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.as_op);
CREATE OPERATOR & (LEFTARG = text, RIGHTARG = text, FUNCTION = df.join);
