-- compat.md 4.6: DROP and CREATE EXTENSION, in a database of their own. Here no CASCADE is needed.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS home \gset
CREATE DATABASE compat_extension;
CREATE ROLE compat_user LOGIN;
\c compat_extension
SET client_min_messages = warning;
CREATE EXTENSION pg_durable;
SELECT df.grant_usage('compat_user');
CREATE TABLE public.effects (who text);
GRANT ALL ON public.effects TO compat_user;
SET ROLE compat_user;
SELECT df.start('INSERT INTO public.effects VALUES (''first'')' ~> df.sleep(2) ~> 'INSERT INTO public.effects VALUES (''never'')', 'old') AS id \gset
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM public.effects) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;
RESET ROLE;
-- A DROP that is rolled back stops nothing for good
BEGIN;
DROP EXTENSION pg_durable;
SELECT to_regnamespace('df') IS NULL AS gone;
ROLLBACK;
SELECT df.status(:'id');
-- DROP removes everything of it, at once
DROP EXTENSION pg_durable;
SELECT count(*) FROM pg_namespace WHERE nspname IN ('df', '_duroxide', 'df_internal');
SELECT 'a'::text ~> 'b'::text;
SELECT pg_sleep(3);
SELECT who FROM public.effects;
-- A new one begins empty; old ids are unknown, and so are grants
CREATE EXTENSION pg_durable;
SELECT count(*) FROM df.instances;
SELECT df.status(:'id') IS NULL AS unknown;
DO $$ BEGIN PERFORM df.cancel('00000000'); EXCEPTION WHEN undefined_object THEN RAISE WARNING '%', SQLERRM; END $$;
SET ROLE compat_user;
SELECT df.start('SELECT 1');
RESET ROLE;
SELECT df.grant_usage('compat_user');
SET ROLE compat_user;
SELECT df.start('INSERT INTO public.effects VALUES (''new'')') AS id \gset
SELECT df.await_instance(:'id');
SELECT who FROM public.effects ORDER BY 1;
RESET ROLE;
-- Both in one transaction, and a start in the very same one
BEGIN;
DROP EXTENSION pg_durable;
CREATE EXTENSION pg_durable;
SELECT df.grant_usage('compat_user');
SET LOCAL ROLE compat_user;
SELECT df.start('INSERT INTO public.effects VALUES (''same transaction'')') AS id \gset
COMMIT;
SELECT df.await_instance(:'id');
SELECT who FROM public.effects ORDER BY 1;
-- 0: where it may be installed and by whom
DROP EXTENSION pg_durable CASCADE;
CREATE SCHEMA df;
CREATE EXTENSION pg_durable;
DROP SCHEMA df;
CREATE SCHEMA _duroxide;
CREATE EXTENSION pg_durable;
DROP SCHEMA _duroxide;
CREATE EXTENSION pg_durable SCHEMA public;
CREATE EXTENSION pg_durable VERSION '0.2.2';
SET ROLE compat_user;
CREATE EXTENSION pg_durable;
RESET ROLE;
CREATE EXTENSION pg_durable;
ALTER EXTENSION pg_durable SET SCHEMA public;
\c :home
SET client_min_messages = warning;
DROP DATABASE compat_extension;
DROP ROLE compat_user;
