/* SPDX-License-Identifier: PostgreSQL */
/* The differences between the server's versions, 15 to 18: no other file asks for the version. */
#ifndef PGS_COMPAT_H
#define PGS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is needed"
#endif

#if !defined(USE_FLOAT8_BYVAL)
#error "a platform with 64-bit datums is needed"
#endif

#include "access/transam.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "common/int.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/timeout.h"
#include "utils/wait_event.h"

/* 16 moved the macros that take values of variable length apart out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 lets an extension name its waits; the number is the same at every call. Asks shared memory, and may raise. */
static inline uint32
pgs_wait_event_number(const char *name)
{
#if PG_VERSION_NUM >= 170000
    return WaitEventExtensionNew(name);
#else
    (void) name;
    return PG_WAIT_EXTENSION;
#endif
}

/* The same, which asks the server once for each name (latch.c). */
extern uint32 pgs_wait_event(const char *name);

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

/* 17 has transaction_timeout, in milliseconds, and ends the session with it; 0 before. */
static inline int
pgs_transaction_timeout(void)
{
#if PG_VERSION_NUM >= 170000
    return TransactionTimeout;
#else
    return 0;
#endif
}

static inline void
pgs_transaction_timeout_disarm(void)
{
#if PG_VERSION_NUM >= 170000
    disable_timeout(TRANSACTION_TIMEOUT, false);
#endif
}

/* Of older transactions nobody knows any more how they ended; under XactTruncationLock. */
static inline TransactionId
pgs_oldest_known_transaction(void)
{
#if PG_VERSION_NUM >= 170000
    return TransamVariables->oldestClogXid;
#else
    return ShmemVariableCache->oldestClogXid;
#endif
}

/* 18 has no portals any more that could be run more than once. */
static inline bool
pgs_portal_run_all(Portal portal, DestReceiver *receiver, QueryCompletion *completion)
{
#if PG_VERSION_NUM >= 180000
    return PortalRun(portal, FETCH_ALL, true, receiver, None_Receiver, completion);
#else
    return PortalRun(portal, FETCH_ALL, true, true, receiver, None_Receiver, completion);
#endif
}

/* Rights. 16 asks for all kinds of objects with one function. */
static inline bool
pgs_may_connect(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT) == ACLCHECK_OK;
#else
    return pg_database_aclcheck(database, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
}

static inline bool
pgs_may_use_namespace(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

static inline bool
pgs_may_execute_function(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
    return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

static inline bool
pgs_owns_database(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(DatabaseRelationId, database, role);
#else
    return pg_database_ownercheck(database, role);
#endif
}

static inline bool
pgs_owns_extension(Oid extension, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(ExtensionRelationId, extension, role);
#else
    return pg_extension_ownercheck(extension, role);
#endif
}

#endif
