/* SPDX-License-Identifier: PostgreSQL */
/* Memory contexts. Switching and deleting cannot raise; creating can. */
#include "guard.h"

#include <unistd.h>

#include "utils/memutils.h"

pgs_error *
pgs_memory_create(const char *name, void **out)
PGS_GUARD_BEGIN
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "extension in Swift", ALLOCSET_DEFAULT_SIZES);

    MemoryContextSetIdentifier(context, MemoryContextStrdup(context, name));
    *out = context;
PGS_GUARD_END

void *
pgs_memory_current(void)
{
    return CurrentMemoryContext;
}

void *
pgs_memory_top(void)
{
    return TopMemoryContext;
}

void *
pgs_memory_switch(void *context)
{
    return MemoryContextSwitchTo(context);
}

void
pgs_memory_delete(void *context)
{
    MemoryContextDelete(context);
}

size_t
pgs_memory_allocated(void *context)
{
    return MemoryContextMemAllocated(context, true);
}

size_t
pgs_memory_private(void)
{
    long resident = 0;
    long shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld %ld", &resident, &shared) != 2)
        resident = shared = 0;
    fclose(file);
    return resident > shared ? (size_t) (resident - shared) * (size_t) sysconf(_SC_PAGESIZE) : 0;
}
