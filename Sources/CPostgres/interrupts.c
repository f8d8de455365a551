/* SPDX-License-Identifier: PostgreSQL */
/* What the server may ask of a process at any time: cancel, end, reload, catch up, accept a barrier. */
#include "guard.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

static pgs_error *
process_interrupts(void)
PGS_GUARD_BEGIN
    CHECK_FOR_INTERRUPTS();
PGS_GUARD_END

pgs_error *
pgs_interrupts_check(void)
{
    return unlikely(INTERRUPTS_PENDING_CONDITION()) ? process_interrupts() : NULL;
}

/* Of whoever runs nothing that can be cancelled: pg_cancel_backend and SIGINT do nothing. */
void
pgs_interrupts_ignore_cancel(void)
{
    pqsignal(SIGINT, SIG_IGN);
}

void
pgs_interrupts_drop_cancel(void)
{
    QueryCancelPending = false;
}

pgs_error *
pgs_interrupts_service(bool *reloaded)
PGS_GUARD_BEGIN
    *reloaded = false;
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending)
    {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
        *reloaded = true;
    }
    if (catchupInterruptPending)
        ProcessCatchupInterrupt();
PGS_GUARD_END

pgs_error *
pgs_stack_check(void)
{
    if (likely(!stack_is_too_deep()))
        return NULL;
PGS_GUARD_BEGIN
    check_stack_depth();
PGS_GUARD_END
}
