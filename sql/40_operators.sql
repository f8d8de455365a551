-- In pg_catalog (the extension's schema), so that they resolve whatever search_path is.
CREATE OPERATOR ~> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.seq);
CREATE OPERATOR |=> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.as_op);
CREATE OPERATOR & (LEFTARG = text, RIGHTARG = text, FUNCTION = df.join);
CREATE OPERATOR | (LEFTARG = text, RIGHTARG = text, FUNCTION = df.race);
CREATE OPERATOR ?> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_then_op);
CREATE OPERATOR !> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_else_op);
CREATE OPERATOR @> (RIGHTARG = text, FUNCTION = df.loop_prefix_op);
