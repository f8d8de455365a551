/* SPDX-License-Identifier: PostgreSQL */
/* Whether values put into a statement changed what the server's own scanner makes of the rest. */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "guard.h"
#include "pgs_step.h"
#include "structure.h"

/* ---------------------------------------------------------------- reading */

static void
append_piece(StringInfo sql, const uint8_t *utf8, size_t length)
{
    size_t server_length;
    char *piece = pgs_text_to_server(utf8, length, &server_length);

    appendBinaryStringInfo(sql, piece, (int) server_length);
}

/* Piece by piece, so that the places are known after a change of encoding too. False when the places make no sense. */
static bool
load(PgsText *text, const uint8_t *utf8, size_t length, const pgs_placed *placed, int count)
{
    StringInfoData sql;
    size_t at = 0;

    initStringInfo(&sql);
    text->placed = palloc(sizeof(pgs_placed) * Max(count, 1));
    text->shapes = palloc0(sizeof(PgsShape) * Max(count, 1));
    text->count = count;
    for (int i = 0; i <= count; i++)
    {
        size_t start = i < count ? placed[i].start : length;
        size_t end = i < count ? placed[i].end : length;

        if (start < at || end < start || end > length)
            return false;
        append_piece(&sql, utf8 + at, start - at);
        if (i < count)
        {
            text->placed[i].inside_literal = placed[i].inside_literal;
            text->placed[i].start = (size_t) sql.len;
            append_piece(&sql, utf8 + start, end - start);
            text->placed[i].end = (size_t) sql.len;
        }
        at = end;
    }
    text->sql = sql.data;
    text->length = sql.len;
    return true;
}

/* ---------------------------------------------------------------- judging */

/* Whether a value may be a part of this token: of what is quoted, or a later part of a name. */
static bool
may_hold(const PgsText *text, const PgsToken *token, const pgs_placed *placed)
{
    if ((int) placed->start <= token->start)
        return false;
    switch (pgs_structure_class(text, token))
    {
        case CLASS_STRING:
        case CLASS_QUOTED_NAME:
            return (int) placed->end < token->end;
        case CLASS_WORD:
            return (int) placed->end <= token->end;
        default:
            return false;
    }
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A place without the blanks around its value. */
static pgs_placed
trimmed(const PgsText *text, pgs_placed placed)
{
    while (placed.start < placed.end && is_space(text->sql[placed.start]))
        placed.start++;
    while (placed.end > placed.start && is_space(text->sql[placed.end - 1]))
        placed.end--;
    return placed;
}

/*
 * Takes the tokens of one value out of the list: the first begins and the last ends with it, none ends the
 * statement, and its brackets are balanced. False otherwise.
 */
static bool
skip_value(const PgsText *text, pgs_placed placed, PgsShape *shape, int *at)
{
    int depth = 0;
    int i = *at;

    if (placed.start == placed.end || text->tokens[i].start != (int) placed.start)
        return false;
    for (; i < text->token_count && text->tokens[i].start < (int) placed.end; i++)
    {
        int kind = text->tokens[i].kind;

        if (kind == '(' || kind == '[')
            depth++;
        else if ((kind == ')' || kind == ']') && --depth < 0)
            return false;
        else if (kind == ';')
            return false;
    }
    shape->tokens = i - *at;
    shape->has_sign = text->sql[placed.start] == '-' || text->sql[placed.start] == '+';
    shape->last = pgs_structure_class(text, &text->tokens[i - 1]);
    shape->last_kind = text->tokens[i - 1].kind;
    *at = i;
    return depth == 0 && text->tokens[i - 1].end == (int) placed.end;
}

/*
 * Reduces the tokens to those around the values, with positions as if every value were empty. False when a value is
 * not made of whole tokens, or leaves the literal it belongs into.
 */
static bool
reduce(PgsText *text)
{
    int kept = 0;
    int next = 0;               /* place */
    int shift = 0;              /* bytes of the values before */
    int at = 0;

    while (at < text->token_count)
    {
        PgsToken token = text->tokens[at];
        PgsToken reduced = token;

        if (next < text->count && !text->placed[next].inside_literal)
        {
            pgs_placed placed = trimmed(text, text->placed[next]);

            if (token.end > (int) placed.start)
            {
                if (!skip_value(text, placed, &text->shapes[next], &at))
                    return false;
                shift += (int) (text->placed[next].end - text->placed[next].start);
                next++;
                continue;
            }
        }
        reduced.start -= shift;
        for (; next < text->count && text->placed[next].inside_literal; next++)
        {
            pgs_placed placed = text->placed[next];

            if ((int) placed.start >= token.end)
                break;
            if (!may_hold(text, &token, &placed))
                return false;
            shift += (int) (placed.end - placed.start);
        }
        reduced.end -= shift;
        text->tokens[kept++] = reduced;
        at++;
    }
    text->token_count = kept;
    return next == text->count;
}

/* Whether the texts are equal byte by byte outside the values, and have their values at the same places. */
static bool
same_around(const PgsText *a, const PgsText *b)
{
    size_t at_a = 0;
    size_t at_b = 0;

    if (a->count != b->count)
        return false;
    for (int i = 0; i <= a->count; i++)
    {
        bool last = i == a->count;
        size_t length = (last ? (size_t) a->length : a->placed[i].start) - at_a;

        if ((last ? (size_t) b->length : b->placed[i].start) - at_b != length
            || memcmp(a->sql + at_a, b->sql + at_b, length) != 0)
            return false;
        if (last)
            break;
        if (a->placed[i].inside_literal != b->placed[i].inside_literal)
            return false;
        at_a = a->placed[i].end;
        at_b = b->placed[i].end;
    }
    return true;
}

/* A value that could be one token must be one of the same kind; a number may have its sign. */
static bool
same_shapes(const PgsText *result, const PgsText *neutral)
{
    for (int i = 0; i < result->count; i++)
    {
        const PgsShape *got = &result->shapes[i];
        const PgsShape *wanted = &neutral->shapes[i];

        if (result->placed[i].inside_literal || wanted->tokens != 1)
            continue;
        if (got->last != wanted->last)
            return false;
        if ((got->last == CLASS_WORD || got->last == CLASS_OTHER) && got->last_kind != wanted->last_kind)
            return false;
        if (got->tokens != 1 && !(got->tokens == 2 && got->has_sign && got->last == CLASS_NUMBER))
            return false;
    }
    return true;
}

static bool
same_tokens(const PgsText *a, const PgsText *b)
{
    if (a->token_count != b->token_count)
        return false;
    for (int i = 0; i < a->token_count; i++)
    {
        const PgsToken *x = &a->tokens[i];
        const PgsToken *y = &b->tokens[i];

        if (x->kind != y->kind || x->start != y->start || x->end != y->end)
            return false;
    }
    return true;
}

static bool
same_structure(PgsText *result, PgsText *neutral)
{
    if (!same_around(result, neutral))
        return false;
    pgs_structure_scan(result);
    pgs_structure_scan(neutral);
    /* What neither can be read as is the parser's to report. */
    if (result->unreadable || neutral->unreadable)
        return result->unreadable && neutral->unreadable;
    return reduce(result) && reduce(neutral) && same_shapes(result, neutral) && same_tokens(result, neutral);
}

pgs_error *
pgs_same_structure(const uint8_t *result, size_t result_length, const pgs_placed *placed, int count,
                   const uint8_t *neutral, size_t neutral_length, const pgs_placed *neutral_placed, bool *same)
PGS_GUARD_BEGIN
    MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "statement structure", ALLOCSET_DEFAULT_SIZES);
    PgsText a = {0};
    PgsText b = {0};

    *same = false;
    MemoryContextSwitchTo(work);
    if (load(&a, result, result_length, placed, count) && load(&b, neutral, neutral_length, neutral_placed, count))
        *same = same_structure(&a, &b);
    MemoryContextSwitchTo(pgs_caller);
    MemoryContextDelete(work);
PGS_GUARD_END
