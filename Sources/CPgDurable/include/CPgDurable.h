/* SPDX-License-Identifier: PostgreSQL */
/* The C entry points are for the server; Swift needs none of them. */
#ifndef CPGDURABLE_H
#define CPGDURABLE_H
#endif
