/* SPDX-License-Identifier: PostgreSQL */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "guard.h"
#include "pgs_step.h"
#include "result_values.h"

/* ---------------------------------------------------------------- bytes */

void
pgs_json_too_large(void)
{
    ereport(ERROR,
            errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
            errmsg("result exceeds \"%s\"", pgs_result_limit_name),
            errhint("Return fewer or smaller rows, or raise \"%s\".", pgs_result_limit_name));
}

void
pgs_json_raw(PgsJson *json, const char *bytes, int length)
{
    if (length > json->limit - json->text.len)
        pgs_json_too_large();
    appendBinaryStringInfo(&json->text, bytes, length);
}

static const char *
to_utf8(const char *bytes, int *length)
{
    size_t converted_length;
    const uint8_t *converted;

    if (GetDatabaseEncoding() == PG_UTF8)
        return bytes;
    converted = pgs_text_from_server(bytes, (size_t) *length, &converted_length);
    *length = (int) converted_length;
    return (const char *) converted;
}

void
pgs_json_string(PgsJson *json, const char *bytes, int length)
{
    int copied = 0;

    bytes = to_utf8(bytes, &length);
    pgs_json_raw(json, "\"", 1);
    for (int i = 0; i < length; i++)
    {
        unsigned char c = (unsigned char) bytes[i];
        char escape[8];
        int size = 2;

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        switch (c)
        {
            case '"':
            case '\\':
                escape[1] = (char) c;
                break;
            case '\b':
                escape[1] = 'b';
                break;
            case '\f':
                escape[1] = 'f';
                break;
            case '\n':
                escape[1] = 'n';
                break;
            case '\r':
                escape[1] = 'r';
                break;
            case '\t':
                escape[1] = 't';
                break;
            default:
                size = snprintf(escape, sizeof(escape), "\\u%04x", c);
                break;
        }
        escape[0] = '\\';
        pgs_json_raw(json, bytes + copied, i - copied);
        pgs_json_raw(json, escape, size);
        copied = i + 1;
    }
    pgs_json_raw(json, bytes + copied, length - copied);
    pgs_json_raw(json, "\"", 1);
}

/* ---------------------------------------------------------------- documents */

/* The code unit of the \uXXXX at `bytes`, or -1. */
static int
unicode_escape(const char *bytes, int length)
{
    int unit = 0;

    if (length < 6 || bytes[0] != '\\' || bytes[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++)
    {
        char c = bytes[i];

        if (c >= '0' && c <= '9')
            unit = unit * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            unit = unit * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            unit = unit * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return unit;
}

/* The length of the escape at `bytes`, a surrogate pair being one. json lets through what jsonb cannot hold. */
static int
check_escape(const char *bytes, int length)
{
    int unit = unicode_escape(bytes, length);

    if (unit == 0)
        ereport(ERROR,
                errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
                errmsg("unsupported Unicode escape sequence in a json result"),
                errdetail("\\u0000 cannot be converted to text."));
    if (unit >= 0xD800 && unit <= 0xDFFF)
    {
        int low = unicode_escape(bytes + 6, length - 6);

        if (unit >= 0xDC00 || low < 0xDC00 || low > 0xDFFF)
            ereport(ERROR,
                    errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
                    errmsg("unsupported Unicode escape sequence in a json result"),
                    errdetail("Half of a surrogate pair cannot be converted to text."));
        return 12;
    }
    return unit > 0 ? 6 : 2;
}

void
pgs_json_document(PgsJson *json, const char *bytes, int length)
{
    int copied = 0;
    bool in_string = false;
    int i = 0;

    bytes = to_utf8(bytes, &length);
    while (i < length)
    {
        char c = bytes[i];

        if (in_string && c == '\\')
        {
            i += check_escape(bytes + i, length - i);
            continue;
        }
        if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
        {
            pgs_json_raw(json, bytes + copied, i - copied);
            copied = i + 1;
        }
        i++;
    }
    pgs_json_raw(json, bytes + copied, length - copied);
}

/* ---------------------------------------------------------------- numbers */

void
pgs_json_integer(PgsJson *json, int64 value)
{
    char digits[MAXINT8LEN + 1];

    pgs_json_raw(json, digits, pg_lltoa(value, digits));
}

/*
 * The server's shortest form reads back under any rounding; ours only under round-half-even, which can be shorter
 * for an integer that lies exactly between two doubles, like 1e23.
 */
static void
shorten(double value, char *text, size_t size)
{
    char shorter[DOUBLE_SHORTEST_DECIMAL_LEN];

    if (fabs(value) < 9007199254740992.0)
        return;
    for (int precision = 0; precision < 16; precision++)
    {
        snprintf(shorter, sizeof(shorter), "%.*e", precision, value);
        if (strtod(shorter, NULL) == value)
        {
            strlcpy(text, shorter, size);
            return;
        }
    }
}

void
pgs_json_double(PgsJson *json, double value)
{
    char shortest[DOUBLE_SHORTEST_DECIMAL_LEN];
    char digits[DOUBLE_SHORTEST_DECIMAL_LEN];
    char shown[64];
    int count = 0;
    int point = 0;              /* the value is 0.DIGITS times ten to the power of this */
    int length = 0;
    bool seen_point = false;
    const char *at = shortest;

    if (isnan(value) || isinf(value))
    {
        pgs_json_raw(json, "null", 4);
        return;
    }
    if (value == 0)
    {
        pgs_json_raw(json, signbit(value) ? "-0.0" : "0.0", signbit(value) ? 4 : 3);
        return;
    }
    shortest[double_to_shortest_decimal_bufn(value, shortest)] = '\0';
    shorten(value, shortest, sizeof(shortest));

    for (; *at != '\0' && *at != 'e'; at++)
    {
        if (*at == '.')
            seen_point = true;
        else if (*at != '-' && (count > 0 || *at != '0'))
        {
            digits[count++] = *at;
            point += seen_point ? 0 : 1;
        }
        else if (*at == '0' && seen_point)
            point--;
    }
    if (*at == 'e')
        point += atoi(at + 1);
    while (count > 1 && digits[count - 1] == '0')
        count--;

    if (value < 0)
        shown[length++] = '-';
    if (point > 16 || point < -4)
    {
        shown[length++] = digits[0];
        if (count > 1)
            shown[length++] = '.';
        for (int i = 1; i < count; i++)
            shown[length++] = digits[i];
        length += snprintf(shown + length, sizeof(shown) - length, "e%+d", point - 1);
    }
    else
    {
        if (point <= 0)
            shown[length++] = '0';
        for (int i = 0; i < point; i++)
            shown[length++] = i < count ? digits[i] : '0';
        shown[length++] = '.';
        for (int i = point; i < 0; i++)
            shown[length++] = '0';
        for (int i = Max(point, 0); i < count; i++)
            shown[length++] = digits[i];
        if (point >= count)
            shown[length++] = '0';
    }
    pgs_json_raw(json, shown, length);
}

/* ---------------------------------------------------------------- dates */

static int
format_day(char *out, size_t size, int year, int month, int day)
{
    /* A signed width counts the sign. */
    return snprintf(out, size, year < 0 || year > 9999 ? "%+05d-%02d-%02d" : "%04d-%02d-%02d", year, month, day);
}

static void
append_infinity(PgsJson *json, bool negative)
{
    if (negative)
        pgs_json_raw(json, "\"-infinity\"", 11);
    else
        pgs_json_raw(json, "\"infinity\"", 10);
}

void
pgs_json_date(PgsJson *json, DateADT value)
{
    char shown[64];
    int length = 0;
    int year;
    int month;
    int day;

    if (DATE_NOT_FINITE(value))
    {
        append_infinity(json, DATE_IS_NOBEGIN(value));
        return;
    }
    j2date(value + POSTGRES_EPOCH_JDATE, &year, &month, &day);
    shown[length++] = '"';
    length += format_day(shown + length, sizeof(shown) - length, year, month, day);
    shown[length++] = '"';
    pgs_json_raw(json, shown, length);
}

void
pgs_json_timestamp(PgsJson *json, Timestamp value, bool zoned)
{
    char shown[128];
    int length = 0;
    struct pg_tm tm;
    fsec_t fraction;

    if (TIMESTAMP_NOT_FINITE(value))
    {
        append_infinity(json, TIMESTAMP_IS_NOBEGIN(value));
        return;
    }
    if (timestamp2tm(value, NULL, &tm, &fraction, NULL, NULL) != 0)
        ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range"));
    shown[length++] = '"';
    length += format_day(shown + length, sizeof(shown) - length, tm.tm_year, tm.tm_mon, tm.tm_mday);
    length += snprintf(shown + length, sizeof(shown) - length, "T%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (fraction % 1000 != 0)
        length += snprintf(shown + length, sizeof(shown) - length, ".%06d", (int) fraction);
    else if (fraction != 0)
        length += snprintf(shown + length, sizeof(shown) - length, ".%03d", (int) fraction / 1000);
    if (zoned)
        length += snprintf(shown + length, sizeof(shown) - length, "+00:00");
    shown[length++] = '"';
    pgs_json_raw(json, shown, length);
}
