/* SPDX-License-Identifier: PostgreSQL */
/* A statement as the server's scanner sees it. May raise: only used under a guard. */
#ifndef PGS_STRUCTURE_H
#define PGS_STRUCTURE_H

#include "postgres.h"

#include "pgs_step.h"

/* Without its value: equal bytes at equal places have equal values. */
typedef struct PgsToken
{
    int kind;
    int start;
    int end;
} PgsToken;

typedef enum PgsClass
{
    CLASS_STRING,               /* of any kind, dollar quotes too */
    CLASS_QUOTED_NAME,
    CLASS_NUMBER,
    CLASS_CONSTANT,             /* null, true, false */
    CLASS_WORD,
    CLASS_OTHER
} PgsClass;

/* What the tokens of a value are. */
typedef struct PgsShape
{
    int tokens;
    bool has_sign;
    PgsClass last;
    int last_kind;
} PgsShape;

/* A text with its places, in the server's encoding. */
typedef struct PgsText
{
    char *sql;
    int length;
    pgs_placed *placed;
    PgsShape *shapes;              /* of the places that are not within a literal */
    int count;
    PgsToken *tokens;
    int token_count;
    bool unreadable;            /* the scanner refuses it */
} PgsText;

/* Reads the tokens; `unreadable` when the scanner refuses the text. */
extern void pgs_structure_scan(PgsText *text);
extern PgsClass pgs_structure_class(const PgsText *text, const PgsToken *token);

#endif
