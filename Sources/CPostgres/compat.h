/* SPDX-License-Identifier: PostgreSQL */
/* The differences between the server's versions, 15 to 18. */
#ifndef PGS_COMPAT_H
#define PGS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is needed"
#endif

#if !defined(USE_FLOAT8_BYVAL)
#error "a platform with 64-bit datums is needed"
#endif

#include "replication/slot.h"
#include "utils/wait_event.h"

/* 17 lets an extension name its waits. */
static inline uint32
pgs_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
    return WaitEventExtensionNew(name);
#else
    return PG_WAIT_EXTENSION;
#endif
}

/* 17 has slots that outlive their session. */
static inline void
pgs_replication_slot_cleanup(void)
{
#if PG_VERSION_NUM >= 170000
    ReplicationSlotCleanup(false);
#else
    ReplicationSlotCleanup();
#endif
}

#endif
