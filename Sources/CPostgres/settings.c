/* SPDX-License-Identifier: PostgreSQL */
/* Settings (GUCs). The server keeps the address of every string and cell, so they are never freed. */
#include "guard.h"

#include <stdlib.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

pgs_setting *
pgs_setting_new(void)
{
    return calloc(1, sizeof(pgs_setting));
}

static const char *
lasting(const char *string)
{
    return string != NULL ? MemoryContextStrdup(TopMemoryContext, string) : NULL;
}

static GucContext
context_of(pgs_setting_info info)
{
    switch (info.context)
    {
        case PGS_SETTING_INTERNAL:
            return PGC_INTERNAL;
        case PGS_SETTING_POSTMASTER:
            return PGC_POSTMASTER;
        case PGS_SETTING_SIGHUP:
            return PGC_SIGHUP;
        case PGS_SETTING_SUPERUSER_BACKEND:
            return PGC_SU_BACKEND;
        case PGS_SETTING_BACKEND:
            return PGC_BACKEND;
        case PGS_SETTING_SUPERUSER:
            return PGC_SUSET;
        case PGS_SETTING_USER:
            return PGC_USERSET;
    }
    return PGC_INTERNAL;
}

static int
flags_of(pgs_setting_info info)
{
    int flags = 0;

    switch (info.unit)
    {
        case PGS_UNIT_NONE:
            break;
        case PGS_UNIT_BYTES:
            flags = GUC_UNIT_BYTE;
            break;
        case PGS_UNIT_KILOBYTES:
            flags = GUC_UNIT_KB;
            break;
        case PGS_UNIT_MEGABYTES:
            flags = GUC_UNIT_MB;
            break;
        case PGS_UNIT_MILLISECONDS:
            flags = GUC_UNIT_MS;
            break;
        case PGS_UNIT_SECONDS:
            flags = GUC_UNIT_S;
            break;
        case PGS_UNIT_MINUTES:
            flags = GUC_UNIT_MIN;
            break;
    }
    if (info.flags & PGS_SETTING_SUPERUSER_ONLY)
        flags |= GUC_SUPERUSER_ONLY;
    if (info.flags & PGS_SETTING_NO_SHOW_ALL)
        flags |= GUC_NO_SHOW_ALL;
    if (info.flags & PGS_SETTING_NOT_IN_SAMPLE)
        flags |= GUC_NOT_IN_SAMPLE;
    if (info.flags & PGS_SETTING_DISALLOW_IN_FILE)
        flags |= GUC_DISALLOW_IN_FILE;
    return flags;
}

/* The server ends the whole process for this one; an error is enough. */
static void
require_startup(pgs_setting_info info)
{
    if (info.context == PGS_SETTING_POSTMASTER && !process_shared_preload_libraries_in_progress)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("parameter \"%s\" can only be defined while the server starts", info.name),
                 errhint("Add the library to shared_preload_libraries and restart the server.")));
}

pgs_error *
pgs_setting_bool(pgs_setting *cell, pgs_setting_info info, bool initial)
PGS_GUARD_BEGIN
    require_startup(info);
    DefineCustomBoolVariable(lasting(info.name), lasting(info.summary), lasting(info.details), &cell->boolean, initial,
                             context_of(info), flags_of(info), NULL, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_setting_int(pgs_setting *cell, pgs_setting_info info, int32_t initial, int32_t min, int32_t max)
PGS_GUARD_BEGIN
    require_startup(info);
    DefineCustomIntVariable(lasting(info.name), lasting(info.summary), lasting(info.details), &cell->integer, initial,
                            min, max, context_of(info), flags_of(info), NULL, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_setting_real(pgs_setting *cell, pgs_setting_info info, double initial, double min, double max)
PGS_GUARD_BEGIN
    require_startup(info);
    DefineCustomRealVariable(lasting(info.name), lasting(info.summary), lasting(info.details), &cell->real, initial,
                             min, max, context_of(info), flags_of(info), NULL, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_setting_string(pgs_setting *cell, pgs_setting_info info, const char *initial)
PGS_GUARD_BEGIN
    require_startup(info);
    DefineCustomStringVariable(lasting(info.name), lasting(info.summary), lasting(info.details), &cell->string,
                               lasting(initial), context_of(info), flags_of(info), NULL, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_setting_enum(pgs_setting *cell, pgs_setting_info info, int32_t initial, const char *const *names, int32_t count)
PGS_GUARD_BEGIN
    struct config_enum_entry *options;

    require_startup(info);
    options = MemoryContextAllocZero(TopMemoryContext, sizeof(struct config_enum_entry) * (count + 1));
    for (int i = 0; i < count; i++)
    {
        options[i].name = lasting(names[i]);
        options[i].val = i;
    }
    DefineCustomEnumVariable(lasting(info.name), lasting(info.summary), lasting(info.details), &cell->integer, initial,
                             options, context_of(info), flags_of(info), NULL, NULL, NULL);
PGS_GUARD_END

pgs_error *
pgs_settings_reserve(const char *prefix)
PGS_GUARD_BEGIN
    MarkGUCPrefixReserved(lasting(prefix));
PGS_GUARD_END

pgs_error *
pgs_setting_assign(const char *name, const char *value)
PGS_GUARD_BEGIN
    SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
PGS_GUARD_END

pgs_error *
pgs_setting_is(const char *name, const char *value, bool *is)
PGS_GUARD_BEGIN
    const char *current = GetConfigOption(name, true, false);

    *is = current != NULL && strcmp(current, value) == 0;
PGS_GUARD_END

pgs_error *
pgs_setting_begin_as(const char *name, const char *value)
PGS_GUARD_BEGIN
    SetConfigOption(name, value, PGC_USERSET, PGC_S_CLIENT);
PGS_GUARD_END

pgs_error *
pgs_setting_pin(const char *name, const char *value)
PGS_GUARD_BEGIN
    SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
PGS_GUARD_END
