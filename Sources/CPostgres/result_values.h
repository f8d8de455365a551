/* SPDX-License-Identifier: PostgreSQL */
/* JSON text of single values, in UTF-8, within a limit. May raise: only used under a guard. */
#ifndef PGS_RESULT_VALUES_H
#define PGS_RESULT_VALUES_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef struct PgsJson
{
    StringInfoData text;
    int64 limit;                /* bytes */
} PgsJson;

extern void pgs_json_too_large(void) __attribute__((noreturn));

/* Bytes that are JSON and UTF-8 already. */
extern void pgs_json_raw(PgsJson *json, const char *bytes, int length);
/* A string in the server's encoding, quoted. */
extern void pgs_json_string(PgsJson *json, const char *bytes, int length);
/* A JSON document in the server's encoding, without the white space. Refuses escapes that no text can hold. */
extern void pgs_json_document(PgsJson *json, const char *bytes, int length);
extern void pgs_json_integer(PgsJson *json, int64 value);
/* Shortest text that reads back as `value`; null for what JSON has no number for. */
extern void pgs_json_double(PgsJson *json, double value);
/* ISO 8601; years before 1 are astronomical, with sign, those after 9999 have a plus. */
extern void pgs_json_date(PgsJson *json, DateADT value);
/* The same with the time; `zoned` is shown in UTC, whatever TimeZone is. */
extern void pgs_json_timestamp(PgsJson *json, Timestamp value, bool zoned);

/* What the error names when a result is too large. */
extern const char *pgs_result_limit_name;

/*
 * For types that are printed by functions of the server's, which look at settings: puts these where a result is the
 * same for everybody, with times in UTC. Kept while one row is converted; AtEOXact_GUC(true, the result of this) takes
 * them back, together with what a user's own conversion has set meanwhile for longer.
 */
extern int pgs_result_pin_settings(void);

#endif
