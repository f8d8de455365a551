/* SPDX-License-Identifier: PostgreSQL */
/* The C that an extension in Swift needs: the magic block, a line per entry point, callbacks at commit. */
#include "pgs_entry.h"

#include <unistd.h>

#include "CPgExtTest.h"

PG_MODULE_MAGIC;

PGS_SWIFT_INIT("pgext_test", pgext_init_swift);

PGS_SWIFT_FUNCTION(pgext_echo);
PGS_SWIFT_FUNCTION(pgext_wrong_result);
PGS_SWIFT_FUNCTION(pgext_wrong_argument);
PGS_SWIFT_FUNCTION(pgext_bytes);
PGS_SWIFT_FUNCTION(pgext_series);
PGS_SWIFT_FUNCTION(pgext_names);
PGS_SWIFT_FUNCTION(pgext_ragged);
PGS_SWIFT_FUNCTION(pgext_fail);
PGS_SWIFT_FUNCTION(pgext_pass);
PGS_SWIFT_FUNCTION(pgext_catch);
PGS_SWIFT_FUNCTION(pgext_swallow);
PGS_SWIFT_FUNCTION(pgext_plan);
PGS_SWIFT_FUNCTION(pgext_query);
PGS_SWIFT_FUNCTION(pgext_commits);
PGS_SWIFT_FUNCTION(pgext_memory);
PGS_SWIFT_FUNCTION(pgext_settings);
PGS_SWIFT_FUNCTION(pgext_count);
PGS_SWIFT_FUNCTION(pgext_call_under_lock);
PGS_SWIFT_FUNCTION(pgext_start_worker);
PGS_SWIFT_FUNCTION(pgext_workers);
PGS_SWIFT_FUNCTION(pgext_wake);
PGS_SWIFT_FUNCTION(pgext_transactions);
PGS_SWIFT_FUNCTION(pgext_log);
PGS_SWIFT_FUNCTION(pgext_loop);
PGS_SWIFT_FUNCTION(pgext_wait);
PGS_SWIFT_FUNCTION(pgext_recurse);
PGS_SWIFT_FUNCTION(pgext_trap);
PGS_SWIFT_FUNCTION(pgext_session);

PGS_SWIFT_WORKER(pgext_static_worker);
PGS_SWIFT_WORKER(pgext_dynamic_worker);

static pgext_counts counts;

static void
count_xact(pgs_xact_event event, void *argument)
{
    if (event == PGS_XACT_PRE_COMMIT)
        counts.pre_commits++;
    else if (event == PGS_XACT_COMMIT)
        counts.commits++;
    else if (event == PGS_XACT_ABORT)
        counts.aborts++;
}

static void
count_subxact(pgs_subxact_event event, uint32_t subxact, uint32_t parent, void *argument)
{
    if (event == PGS_SUBXACT_ABORT)
        counts.rollbacks_to_savepoint++;
}

static void
count_release(void *argument)
{
    counts.locks_released++;
}

pgext_counts
transaction_counts(void)
{
    return counts;
}

void
count_transactions(void)
{
    pgs_failure failure = {pgs_on_xact(count_xact, NULL)};

    if (failure.error == NULL)
        failure.error = pgs_on_subxact(count_subxact, NULL);
    if (failure.error == NULL)
        failure.error = pgs_on_locks_released(count_release, NULL);
    if (failure.error != NULL)
        pgs_raise(&failure);
}

static void
hang(int32_t code, uintptr_t argument)
{
    for (;;)
        pause();
}

void
hang_at_exit(void)
{
    pgs_failure failure = {pgs_before_exit(hang, 0)};

    if (failure.error != NULL)
        pgs_error_free(failure.error);
}
