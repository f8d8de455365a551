/* SPDX-License-Identifier: PostgreSQL */
/* Time zones by the server's own rules. A zone that was found stays for the life of the process. */
#include "guard.h"

#include "pgtime.h"
#include "utils/timestamp.h"

#define MICROSECONDS 1000000
/* Between the epochs of PostgreSQL (2000) and Unix (1970). */
#define EPOCH_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/*
 * The server also takes POSIX specifications for names, where "UTC+3" is west of Greenwich and "Nowhere5" is fine.
 * These always have a digit; so do a few names of the database, which are looked up in its list.
 */
static bool
is_listed(const char *name)
{
    static char known[TZ_STRLEN_MAX + 1];
    pg_tzenum *list;
    pg_tz *zone;
    bool found = false;

    if (strpbrk(name, "0123456789") == NULL || strcmp(name, known) == 0)
        return true;
    list = pg_tzenumerate_start();
    while (!found && (zone = pg_tzenumerate_next(list)) != NULL)
        found = pg_strcasecmp(pg_get_timezone_name(zone), name) == 0;
    pg_tzenumerate_end(list);
    if (found)
        strlcpy(known, name, sizeof(known));
    return found;
}

pgs_error *
pgs_timezone_find(const uint8_t *name, size_t length, const pgs_timezone **out)
PGS_GUARD_BEGIN
    char text[TZ_STRLEN_MAX + 1];
    pg_tz *zone = NULL;

    *out = NULL;
    if (length > 0 && length <= TZ_STRLEN_MAX && memchr(name, 0, length) == NULL)
    {
        memcpy(text, name, length);
        text[length] = '\0';
        zone = pg_tzset(text);
        if (zone != NULL && pg_tz_acceptable(zone) && is_listed(text))
            *out = (const pgs_timezone *) zone;
    }
PGS_GUARD_END

pgs_error *
pgs_timezone_stretch(const pgs_timezone *zone, int64_t instant, int32_t *offset, int64_t *end)
PGS_GUARD_BEGIN
    /* Rounded down: a boundary is always at a whole second. */
    pg_time_t seconds = instant / MICROSECONDS - (instant % MICROSECONDS < 0 ? 1 : 0) + EPOCH_SECONDS;
    pg_time_t boundary;
    long int before = 0, after;
    int before_dst, after_dst;
    int found = pg_next_dst_boundary(&seconds, &before, &before_dst, &boundary, &after, &after_dst,
                                     (const pg_tz *) zone);

    *offset = (int32_t) before;
    *end = PG_INT64_MAX;
    if (found > 0 && boundary - EPOCH_SECONDS < PG_INT64_MAX / MICROSECONDS)
        *end = (boundary - EPOCH_SECONDS) * MICROSECONDS;
PGS_GUARD_END
