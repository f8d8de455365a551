/* SPDX-License-Identifier: PostgreSQL */
/* The C entry points are for the server; Swift needs none of them but this. */
#ifndef CPGDURABLE_H
#define CPGDURABLE_H

/* When the library was compiled, ISO 8601 in UTC; lives as long as the program. */
const char *_Nonnull pg_durable_build_time(void);

#endif
