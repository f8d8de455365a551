/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for this process's latch. */
#include "guard.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* A day: far from the limit of WaitLatch, and an early return is always allowed. */
#define PGS_WAIT_MILLISECONDS_MAX (24 * 3600 * 1000)

/* Names of waits that this process has used; more than these are asked for again. */
#define WAITS_KNOWN 32

uint32
pgs_wait_event(const char *name)
{
    static struct
    {
        char name[NAMEDATALEN];
        uint32 number;
    } known[WAITS_KNOWN];
    static int count = 0;
    uint32 number;

    for (int i = 0; i < count; i++)
    {
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    }
    number = pgs_wait_event_number(name);
    if (count < WAITS_KNOWN && strlen(name) < NAMEDATALEN)
    {
        strlcpy(known[count].name, name, NAMEDATALEN);
        known[count++].number = number;
    }
    return number;
}

pgs_error *
pgs_latch_wait(int64_t milliseconds, const char *event, int32_t *events)
PGS_GUARD_BEGIN
    int wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (milliseconds >= 0 ? WL_TIMEOUT : 0);
    long timeout = milliseconds < 0 ? -1 : (long) Min(milliseconds, PGS_WAIT_MILLISECONDS_MAX);
    int happened = WaitLatch(MyLatch, wanted, timeout, pgs_wait_event(event));

    *events = ((happened & WL_LATCH_SET) ? PGS_WAIT_LATCH : 0) | ((happened & WL_TIMEOUT) ? PGS_WAIT_TIMEOUT : 0);
PGS_GUARD_END

pgs_error *
pgs_wait_set_new(int32_t descriptors, pgs_wait_set **out)
PGS_GUARD_BEGIN
#if PG_VERSION_NUM >= 170000
    WaitEventSet *set = CreateWaitEventSet(NULL, descriptors + 2);
#else
    WaitEventSet *set = CreateWaitEventSet(TopMemoryContext, descriptors + 2);
#endif

    AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
    AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
    *out = (pgs_wait_set *) set;
PGS_GUARD_END

pgs_error *
pgs_wait_set_add(pgs_wait_set *set, int32_t descriptor)
PGS_GUARD_BEGIN
    AddWaitEventToSet((WaitEventSet *) set, WL_SOCKET_READABLE, descriptor, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_wait_set_wait(pgs_wait_set *set, int64_t milliseconds, const char *event, int32_t *events)
PGS_GUARD_BEGIN
    WaitEvent happened[4];
    long timeout = milliseconds < 0 ? -1 : (long) Min(milliseconds, PGS_WAIT_MILLISECONDS_MAX);
    int count = WaitEventSetWait((WaitEventSet *) set, timeout, happened, lengthof(happened), pgs_wait_event(event));

    *events = count == 0 ? PGS_WAIT_TIMEOUT : 0;
    for (int i = 0; i < count; i++)
        *events |= happened[i].events & WL_LATCH_SET ? PGS_WAIT_LATCH : PGS_WAIT_READABLE;
PGS_GUARD_END

void
pgs_latch_reset(void)
{
    ResetLatch(MyLatch);
}

void
pgs_latch_set_own(void)
{
    SetLatch(MyLatch);
}

/* Works for every process with shared memory; ProcArray knows only those in a database. */
int32_t
pgs_latch_own_number(void)
{
    return MyProc != NULL ? (int32_t) (MyProc - ProcGlobal->allProcs) : -1;
}

bool
pgs_latch_set_number(int32_t number)
{
    if (number < 0 || (uint32_t) number >= ProcGlobal->allProcCount)
        return false;
    SetLatch(&ProcGlobal->allProcs[number].procLatch);
    return true;
}
