/* SPDX-License-Identifier: PostgreSQL */
/*
 * For the one C file of an extension written in Swift: PG_MODULE_MAGIC and a line per entry point. The Swift side of
 * `PGS_SWIFT_FUNCTION(f)` is a C function `f_swift`; whatever it leaves in the failure is raised here, when its
 * frames are gone.
 */
#ifndef PGS_ENTRY_H
#define PGS_ENTRY_H

#include "postgres.h"

#include "fmgr.h"

#include "CPostgres.h"

/* What the macros below need; not for Swift. */
extern int pgs_trap_arm(void);
extern void pgs_trap_restore(int saved);
extern void pgs_raise(pgs_failure *failure) __attribute__((noreturn));
extern void pgs_library_init(const char *extension);
extern void pgs_worker_prepare(void);

/* datum f_swift(fcinfo, failure) */
#define PGS_SWIFT_FUNCTION(name) \
    PG_FUNCTION_INFO_V1(name); \
    extern pgs_datum name##_swift(void *fcinfo, pgs_failure *failure); \
    Datum name(PG_FUNCTION_ARGS) \
    { \
        pgs_failure failure = {NULL}; \
        int saved = pgs_trap_arm(); \
        Datum result = (Datum) name##_swift(fcinfo, &failure); \
        pgs_trap_restore(saved); \
        if (unlikely(failure.error != NULL)) \
            pgs_raise(&failure); \
        return result; \
    } \
    extern int pgs_no_semicolon_needed

/*
 * int32 w_swift(argument): the main function of a background worker. SIGTERM, SIGHUP and SIGINT are set up and
 * unblocked, the current memory context lives as long as the process. The result is the exit code: 0 "do not start
 * me again", anything else 1 "start me again, if I have a restart time".
 */
#define PGS_SWIFT_WORKER(name) \
    extern int32_t name##_swift(uint64_t argument); \
    extern PGDLLEXPORT void name(Datum argument); \
    void name(Datum argument) \
    { \
        int32_t code; \
        pgs_worker_prepare(); \
        (void) pgs_trap_arm(); \
        code = name##_swift((uint64_t) argument); \
        pgs_trap_restore(0); \
        pgs_proc_exit(code == 0 ? 0 : 1); \
    } \
    extern int pgs_no_semicolon_needed

/* Defines _PG_init: sets up the framework, then calls `void f(failure)` in Swift. */
#define PGS_SWIFT_INIT(extension, swift_init) \
    extern void swift_init(pgs_failure *failure); \
    extern PGDLLEXPORT void _PG_init(void); \
    void _PG_init(void) \
    { \
        pgs_failure failure = {NULL}; \
        pgs_library_init(extension); \
        swift_init(&failure); \
        if (failure.error != NULL) \
            pgs_raise(&failure); \
    } \
    extern int pgs_no_semicolon_needed

#endif
