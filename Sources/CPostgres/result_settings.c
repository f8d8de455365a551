/* SPDX-License-Identifier: PostgreSQL */
/* Results are the same whatever the session's settings are. */
#include "postgres.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"

#include "result_values.h"

static void
pin(const char *name, const char *value)
{
    (void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int
pgs_result_pin_settings(void)
{
    int level = NewGUCNestLevel();

    if (DateStyle != USE_ISO_DATES)
        pin("datestyle", "ISO");
    if (IntervalStyle != INTSTYLE_POSTGRES)
        pin("intervalstyle", "postgres");
    if (extra_float_digits < 1)
        pin("extra_float_digits", "1");
    if (bytea_output != BYTEA_OUTPUT_HEX)
        pin("bytea_output", "hex");
    if (strcmp(pg_get_timezone_name(session_timezone), "UTC") != 0)
        pin("timezone", "UTC");
    return level;
}
