#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""df.start is part of the caller's transaction: rolled back, nothing happens; committed, it will happen.

Every test starts work in some transactional shape, ends the transaction one way or the other, and looks at the rows
that the steps wrote.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import Suite, has, output, run, same, settle, start, wait_until  # noqa: E402

suite = Suite()


def prepared(cluster, table):
    session = cluster.connect(user="alice")
    session.execute("CREATE TABLE alice.%s (n int)" % table)
    return session


def note(table, n=1):
    return "'INSERT INTO alice.%s VALUES (%s)'" % (table, n)


def rows(session, table):
    return [r[0] for r in session.query("SELECT n FROM alice.%s ORDER BY n" % table)]


@suite.test
def rollback_leaves_nothing(cluster):
    """A rolled-back start has no instance, no row of the engine's and no effect."""
    with prepared(cluster, "rolled_back") as session:
        before = cluster.query("SELECT (SELECT count(*) FROM df_internal.instances), "
                               "(SELECT count(*) FROM df_internal.graphs), (SELECT count(*) FROM df_internal.active)")
        session.execute("BEGIN")
        instance = start(session, note("rolled_back"))
        same(session.value("SELECT df.status($1)", instance), "pending", "inside the transaction")
        session.execute("ROLLBACK")
        same(session.value("SELECT df.status($1)", instance), None)
        run(session, "'SELECT 1'")
        same(rows(session, "rolled_back"), [])
        after = cluster.query("SELECT (SELECT count(*) FROM df_internal.instances) - 1, (SELECT count(*) "
                              "FROM df_internal.graphs) - 1, (SELECT count(*) FROM df_internal.active)")
        same(after, before, "rows of the engine")
        has(session.error("SELECT df.cancel($1)", instance).message, "Instance not found or access denied")


@suite.test
def thousand_in_one_transaction(cluster):
    """1,000 starts of one transaction all run, once each, and none before the commit."""
    with prepared(cluster, "thousand") as session:
        session.execute("BEGIN")
        session.execute("SELECT df.start(format('INSERT INTO alice.thousand VALUES (%s)', n)) "
                        "FROM generate_series(1, 1000) n")
        time.sleep(0.3)
        same(cluster.value("SELECT count(*) FROM alice.thousand"), 0, "before the commit")
        session.execute("COMMIT")
        wait_until(lambda: session.value("SELECT count(*) FROM alice.thousand") == 1000, 60, "1,000 effects")
        same(rows(session, "thousand"), list(range(1, 1001)))


@suite.test
def savepoints(cluster):
    """What starts after a savepoint and is rolled back to it never runs; what starts before and after it does."""
    with prepared(cluster, "saved") as session:
        session.execute("BEGIN")
        start(session, note("saved", 1))
        session.execute("SAVEPOINT a")
        start(session, note("saved", 2))
        session.execute("SAVEPOINT b")
        start(session, note("saved", 3))
        session.execute("RELEASE b")
        session.execute("ROLLBACK TO a")
        last = start(session, note("saved", 4))
        session.execute("COMMIT")
        settle(session, last)
        wait_until(lambda: rows(session, "saved") == [1, 4], 10, "effects 1 and 4")
        run(session, "'SELECT 1'")
        same(rows(session, "saved"), [1, 4])


@suite.test
def plpgsql_exception(cluster):
    """A block whose error is swallowed takes its start with it; the rest of the function keeps its own."""
    with prepared(cluster, "caught") as session:
        session.execute("""DO $do$
            BEGIN
                PERFORM df.start('INSERT INTO alice.caught VALUES (1)');
                BEGIN
                    PERFORM df.start('INSERT INTO alice.caught VALUES (2)');
                    PERFORM 1 / 0;
                EXCEPTION WHEN division_by_zero THEN
                    PERFORM df.start('INSERT INTO alice.caught VALUES (3)');
                END;
            END $do$""")
        wait_until(lambda: rows(session, "caught") == [1, 3], 10, "effects 1 and 3")
        time.sleep(0.2)
        same(rows(session, "caught"), [1, 3])


@suite.test
def trigger(cluster):
    """A trigger may start work, one instance per row; the statement's rollback takes them all."""
    with prepared(cluster, "fired") as session:
        session.execute("""CREATE TABLE alice.orders (id int);
            CREATE FUNCTION alice.fire() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN
                PERFORM df.start(format('INSERT INTO alice.fired VALUES (%s)', NEW.id));
                RETURN NEW;
            END $f$;
            CREATE TRIGGER fire AFTER INSERT ON alice.orders FOR EACH ROW EXECUTE FUNCTION alice.fire()""")
        session.error("INSERT INTO alice.orders SELECT 10 / (n - 3) FROM generate_series(1, 5) n")
        session.execute("INSERT INTO alice.orders SELECT n FROM generate_series(1, 5) n")
        wait_until(lambda: rows(session, "fired") == [1, 2, 3, 4, 5], 10, "five effects")


@suite.test
def two_phase(cluster):
    """Under PREPARE TRANSACTION nothing runs before COMMIT PREPARED, everything soon after it, also after a restart."""
    with prepared(cluster, "prepared") as session:
        session.execute("BEGIN")
        start(session, note("prepared", 1))
        session.execute("PREPARE TRANSACTION 'one'")
        session.execute("BEGIN")
        start(session, note("prepared", 2))
        session.execute("PREPARE TRANSACTION 'two'")
        session.execute("BEGIN")
        start(session, note("prepared", 3))
        session.execute("PREPARE TRANSACTION 'three'")
        time.sleep(0.3)
        same(rows(session, "prepared"), [])
        with cluster.connect(user="alice") as other:
            other.execute("COMMIT PREPARED 'one'")
        wait_until(lambda: rows(session, "prepared") == [1], 10, "the effect after COMMIT PREPARED")
        session.execute("ROLLBACK PREPARED 'two'")
    cluster.restart()
    with cluster.connect(user="alice") as session:
        time.sleep(0.3)
        same(rows(session, "prepared"), [1])
        session.execute("COMMIT PREPARED 'three'")
        wait_until(lambda: rows(session, "prepared") == [1, 3], 10, "the effect of one prepared before the restart")


@suite.test
def two_phase_changes_of_roles(cluster):
    """What a prepared transaction changes about a role reaches executors and schedulers when it is committed."""
    with cluster.connect() as admin, cluster.connect(user="alice") as session:
        where = "'SELECT current_setting(''work_mem'') AS w, pg_backend_pid() AS p'"
        has(output(session, run(session, where)), "4MB")
        admin.execute("CREATE ROLE passing LOGIN; SELECT df.grant_usage('passing')")
        with cluster.connect(user="passing") as passing:
            asleep = start(passing, "df.wait_for_signal('never')")
            wait_until(lambda: passing.value("SELECT df.status($1)", asleep) == "running", 10, "it waits")
        for name in ("committed", "from_before"):
            admin.execute("BEGIN")
            admin.execute("ALTER ROLE alice SET work_mem = '%s'" % ("5MB" if name == "committed" else "6MB"))
            if name == "committed":
                admin.execute("DROP OWNED BY passing; DROP ROLE passing")
            admin.execute("PREPARE TRANSACTION '%s'" % name)
            if name == "committed":
                has(output(session, run(session, where)), "4MB")
                admin.execute("COMMIT PREPARED 'committed'")
                wait_until(lambda: "5MB" in output(session, run(session, where)), 5, "the new setting counts")
                wait_until(lambda: admin.value("SELECT df.status($1)", asleep) == "failed", 10,
                           "the work of a dropped role ends")
    cluster.restart()
    with cluster.connect() as admin, cluster.connect(user="alice") as session:
        has(output(session, run(session, where)), "5MB")
        admin.execute("COMMIT PREPARED 'from_before'")
        wait_until(lambda: "6MB" in output(session, run(session, where)), 5, "the new setting counts")
        admin.execute("ALTER ROLE alice RESET work_mem")


@suite.test
def long_transaction(cluster):
    """A transaction that stays open long after df.start starts its work when it commits (the original loses it)."""
    with prepared(cluster, "late") as session:
        session.execute("BEGIN")
        start(session, note("late"))
        time.sleep(7)
        session.execute("COMMIT")
        wait_until(lambda: rows(session, "late") == [1], 5, "the effect after a late commit")


@suite.test
def same_function_twice_at_once(cluster):
    """Two open transactions that start the same function do not wait for each other, whatever the roles."""
    with cluster.connect(user="alice") as holder:
        holder.execute("BEGIN")
        start(holder, "'SELECT 42'")
        for role in ("alice", "bob"):
            with cluster.connect(user=role) as other:
                begin = time.monotonic()
                instance = start(other, "'SELECT 42'")
                took = time.monotonic() - begin
                if took > 0.5:
                    raise AssertionError("%s waited %.1f s" % (role, took))
                same(settle(other, instance), "completed")
        holder.execute("COMMIT")


@suite.test
def new_objects_are_visible(cluster):
    """A table made and a function replaced in the starting transaction are what the step sees."""
    with cluster.connect(user="alice") as session:
        session.execute("CREATE FUNCTION alice.body() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
        for round_ in range(30):
            # An executor that lives has cached the old body and the absence of the table.
            run(session, "'SELECT alice.body(), to_regclass(''alice.fresh_%d'')::text'" % round_)
            session.execute("BEGIN")
            session.execute("CREATE TABLE alice.fresh_%d (n int)" % round_)
            session.execute("CREATE OR REPLACE FUNCTION alice.body() RETURNS int LANGUAGE plpgsql "
                            "AS 'BEGIN RETURN %d; END'" % (round_ + 10))
            instance = start(session, "'INSERT INTO alice.fresh_%d SELECT alice.body()'" % round_)
            session.execute("COMMIT")
            same(settle(session, instance), "completed")
            same(session.value("SELECT n FROM alice.fresh_%d" % round_), round_ + 10)


@suite.test
def with_create_extension(cluster):
    """df.start works in the very transaction that ran CREATE EXTENSION, in a database nobody has looked at yet."""
    cluster.psql("CREATE DATABASE fresh; ALTER DATABASE fresh OWNER TO alice")
    with cluster.connect(db="fresh") as session:
        session.execute("BEGIN; CREATE EXTENSION pg_durable; CREATE TABLE done (n int);"
                        "GRANT ALL ON done TO alice; SET client_min_messages = error; SELECT df.grant_usage('alice');"
                        "SET LOCAL ROLE alice")
        instance = session.value("SELECT df.start('INSERT INTO public.done VALUES (1)')")
        session.execute("COMMIT")
        same(settle(session, instance), "completed")
        same(session.value("SELECT count(*) FROM done"), 1)


@suite.test
def await_own_start_fails(cluster):
    """Waiting for an instance that the open transaction started could never end: it fails at once, with a hint."""
    with cluster.connect(user="alice") as session:
        session.execute("BEGIN")
        instance = start(session, "'SELECT 1'")
        begin = time.monotonic()
        error = session.error("SELECT df.await_instance($1, 20)", instance)
        if time.monotonic() - begin > 5 or not error.hint:
            raise AssertionError("no quick error with a hint: %s" % error.fields)
        session.execute("ROLLBACK")


@suite.test
def start_in_read_only_transaction(cluster):
    """A read-only transaction cannot start work: the server's own error, 25006."""
    with cluster.connect(user="alice") as session:
        session.execute("BEGIN READ ONLY")
        same(session.error("SELECT df.start('SELECT 1')").sqlstate, "25006")
        session.execute("ROLLBACK")


@suite.test
def control_is_transactional(cluster):
    """A rolled-back df.cancel and df.setvar did nothing; committed with the start, they count from the first step."""
    with prepared(cluster, "control") as session:
        session.execute("BEGIN; SELECT df.setvar('who', 'rolled back'); ROLLBACK")
        same(session.value("SELECT df.getvar('who')"), None)
        sleeper = start(session, "'SELECT pg_sleep(0.5)' ~> 'INSERT INTO alice.control VALUES (1)'")
        session.execute("BEGIN")
        session.value("SELECT df.cancel($1)", sleeper)
        session.execute("ROLLBACK")
        same(settle(session, sleeper), "completed")
        same(rows(session, "control"), [1])
        session.execute("BEGIN")
        session.value("SELECT df.setvar('number', '7')")
        counted = start(session, "'INSERT INTO alice.control VALUES ({number})'")
        session.value("SELECT df.setvar('number', '8')")
        session.execute("COMMIT")
        same(settle(session, counted), "completed")
        same(rows(session, "control"), [1, 7])
        session.execute("BEGIN")
        dead = start(session, note("control", 99))
        session.value("SELECT df.cancel($1)", dead)
        session.execute("COMMIT")
        same(settle(session, dead), "cancelled")
        same(rows(session, "control"), [1, 7])


@suite.test
def starts_from_many_sessions(cluster):
    """Starts of 20 sessions at once, half of them rolled back: exactly the committed ones run."""
    with prepared(cluster, "many") as session:
        problems = []

        def client(number):
            try:
                with cluster.connect(user="alice") as mine:
                    for n in range(10):
                        mine.execute("BEGIN")
                        start(mine, note("many", number * 100 + n))
                        mine.execute("COMMIT" if n % 2 else "ROLLBACK")
            except Exception as error:
                problems.append(error)

        threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(problems, [])
        expected = sorted(c * 100 + n for c in range(20) for n in range(10) if n % 2)
        wait_until(lambda: len(rows(session, "many")) >= len(expected), 30, "%d effects" % len(expected))
        same(rows(session, "many"), expected)


def seeded(cluster, seed, user="alice"):
    """A session in which df.start tries the same ids each time."""
    cluster.psql("ALTER ROLE %s SET pg_durable.debug_id_seed = %d" % (user, seed))
    session = cluster.connect(user=user)
    cluster.psql("ALTER ROLE %s RESET pg_durable.debug_id_seed" % user)
    return session


@suite.test
def taken_ids(cluster):
    """Ids that are taken are passed over, longer ones come when the short ones are, and at the end an error says so."""
    with seeded(cluster, 1) as session:
        same(session.error("SET pg_durable.debug_id_seed = 2").sqlstate, "42501")
        ids = [session.value("SELECT df.start('SELECT 1')") for _ in range(12)]
        same([len(i) for i in ids], [8] * 4 + [12] * 4 + [16] * 4)
        same(len(set(ids)), 12)
        error = session.error("SELECT df.start('SELECT 1')")
        has(error.message, "Failed to create instance: exhausted 12 attempts")
        same(error.sqlstate, "54000")
        for instance in (ids[0], ids[4], ids[11]):
            same(settle(session, instance), "completed")
            same(session.value("SELECT count(*) FROM df.nodes WHERE instance_id = $1", instance), 1)
            has(session.value("SELECT df.explain($1)", instance), "Instance: " + instance)
            same(session.value("SELECT df.signal($1, 's')", instance), "OK")
        same(session.query("SELECT instance_id FROM df.list_instances('completed', 100, NULL) WHERE instance_id = $1",
                           ids[11]), [(ids[11],)])


@suite.test
def ids_of_open_transactions(cluster):
    """An id that another session has taken and not committed is passed over at once, and does not come back."""
    with seeded(cluster, 7) as first, seeded(cluster, 7) as second, seeded(cluster, 7, "bob") as third:
        first.execute("BEGIN")
        taken = first.value("SELECT df.start('SELECT 1')")
        for other in (second, third):
            other.execute("SET statement_timeout = '2s'")
            begin = time.monotonic()
            ids = [other.value("SELECT df.start('SELECT 1')") for _ in range(2)]
            same(time.monotonic() - begin < 1, True, "%.2f s" % (time.monotonic() - begin))
            same(taken in ids, False)
            same([settle(other, i) for i in ids], ["completed"] * 2)
        first.execute("ROLLBACK")
        same(second.value("SELECT df.status($1)", taken), None)
        # Now that nobody has it, it is given out; so is that of a savepoint that was rolled back.
        first.execute("BEGIN")
        first.execute("SAVEPOINT s")
        same(first.value("SELECT df.start('SELECT 1')"), taken)
        first.execute("ROLLBACK TO s")
        same(first.value("SELECT df.start('SELECT 2')"), taken)
        first.execute("COMMIT")
        same(settle(first, taken), "completed")
        same(first.value("SELECT df.result($1)", taken), '{"rows": [{"?column?": 2}], "row_count": 1}')


suite.main()
