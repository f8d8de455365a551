/* SPDX-License-Identifier: PostgreSQL */
/* Work that found no place at all, so that nothing of it is there to notice room by. */
#include "postgres.h"

#include "workset.h"

/* Queues that hold nothing because they got no entry. */
static void
retry_entries(workset_wakes *wakes)
{
    pgs_set->starved = false;
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        workset_queue *queue = &pgs_set->queues[i];
        workset_database *database;

        if (queue->database == InvalidOid || !queue->overflow || queue->count > 0)
            continue;
        queue->overflow = false;
        database = workset_database_find(queue->database);
        if (database != NULL)
            workset_want_sweep(database, wakes);
    }
}

static bool
a_queue_is_unused(void)
{
    for (int32 i = 0; i < WORKSET_QUEUES; i++)
    {
        if (workset_queue_is_unused(&pgs_set->queues[i]))
            return true;
    }
    return false;
}

/* Roles that got no queue. */
static void
retry_queues(workset_wakes *wakes)
{
    pgs_set->queueless = false;
    for (int32 i = 0; i < pgs_set->database_count; i++)
    {
        workset_database *database = &pgs_databases[i];

        if (database->oid == InvalidOid || !database->overflow)
            continue;
        database->overflow = false;
        workset_want_sweep(database, wakes);
    }
}

void
workset_starved_retry(workset_wakes *wakes)
{
    if (pgs_set->starved && pgs_set->free_count >= pgs_set->entry_count / 16)
        retry_entries(wakes);
    if (pgs_set->queueless && a_queue_is_unused())
        retry_queues(wakes);
}
