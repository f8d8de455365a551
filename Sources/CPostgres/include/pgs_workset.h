/* SPDX-License-Identifier: PostgreSQL */
/*
 * Work that is ready, and the processes that do it, in shared memory. Only a hint: everything here can be lost at any
 * instruction and is rebuilt from tables. Work is named by (database, role, item, part); part -1 is the item as a
 * whole.
 *
 * One queue per (database, role); its entries come from a pool that all queues share, and a queue may take an entry
 * while it holds fewer than are free, so that no role can use the pool up. What finds no place is not an error: the
 * database is marked, and its scheduler is asked to sweep the tables when there is room again.
 *
 * A slot is the place of one executor: the launcher reserves it for a (database, role) and a generation, the process
 * that it starts attaches, and when that process ends, however it ends, an exit callback in plain C puts the work it
 * had in hand back into the queue.
 *
 * Locks: one LWLock for queues, slots and databases, and one LWLock per slot for the phase of its step. A slot's lock
 * may be taken while the first is held, never the other way round; nothing is raised under either.
 */
#ifndef PGS_WORKSET_H
#define PGS_WORKSET_H

#include "CPostgres.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

typedef struct pgs_work {
    int64_t item;
    int32_t part;
    int32_t deaths; /* how many processes ended with this work in hand, as far as memory knows */
    int64_t since;  /* when it was put into the queue */
} pgs_work;

/* No due time; and "look at once". Server timestamps are microseconds since 2000-01-01. */
#define PGS_DUE_NEVER INT64_MAX
#define PGS_DUE_NOW INT64_MIN

/* ---- From any transaction: collected, delivered when it has committed and its locks are gone. May raise. ----
 *
 * Memory is reserved before these return, so that delivery cannot fail. What a rolled-back savepoint collected is
 * dropped, but for the due time of timers and the wish for a sweep, which are harmless. Beyond 100,000 entries in one
 * transaction only the wish for a sweep is kept (interrupts: whoever finds the request in the tables interrupts the
 * step). PREPARE TRANSACTION drops the list; COMMIT PREPARED then asks for a sweep.
 */
pgs_error *PGS_NULLABLE pgs_work_at_commit(pgs_oid role, int64_t item, int32_t part);
/* Also interrupts a step of `item` that is running, except one of this process itself. */
pgs_error *PGS_NULLABLE pgs_interrupt_at_commit(pgs_oid role, int64_t item);
/*
 * Interrupts a step of `item` that runs as `part`, except one of this process itself, and announces nothing. A process
 * that has another part of the item in hand meets it as a late interrupt if it turns to a further part.
 */
pgs_error *PGS_NULLABLE pgs_interrupt_part_at_commit(pgs_oid role, int64_t item, int32_t part);
/* A timer row of this database was written that is due at `due` (server timestamp, microseconds). */
pgs_error *PGS_NULLABLE pgs_timer_at_commit(int64_t due);
/* The tables of this database hold work that nobody was told of (adoption, overflow). */
pgs_error *PGS_NULLABLE pgs_sweep_at_commit(void);
/* The same for every database of the cluster that is known to hold work (a role was dropped). */
pgs_error *PGS_NULLABLE pgs_sweep_everywhere_at_commit(void);
/* A database may be one that our workers can serve now, and was none before; only for the hooks of this library. */
pgs_error *PGS_NULLABLE pgs_look_into_at_commit(pgs_oid database);
/*
 * Settings or rights of a role or a database (its oid; 0: of all) changed: executors of it that started before leave
 * after their present step.
 */
pgs_error *PGS_NULLABLE pgs_settings_changed_at_commit(pgs_oid of);

/* ---- Executor, with its own slot; never raise, except pgs_executor_attach's caller by exiting ---- */

/*
 * Takes the slot that the launcher reserved for this process; to be called before the connection is made, because it
 * registers the exit callback. False: the reservation is gone (another boot, another generation): leave with 0.
 */
bool pgs_executor_attach(uint64_t main_arg, pgs_oid *database, pgs_oid *role);
/*
 * Puts work into the queue of (this database, role) and wakes an executor or the launcher. Callable by any process
 * connected to a database. False: no place, a sweep was noted instead. Work that is queued already is queued once.
 */
bool pgs_work_push(pgs_oid role, int64_t item, int32_t part);
/*
 * As pgs_timer_at_commit, at once and in no transaction: a timer of this database that was announced is not due yet
 * by this process's clock, which was set back. The scheduler, or the launcher for it, looks at the timers again.
 */
void pgs_timer_push(int64_t due);
/*
 * Takes the next work of this executor's queue; it is this executor's until pgs_work_finish or pgs_work_yield. Work
 * that another slot has in hand is not given out: that slot learns it from pgs_work_finish. False: nothing to do;
 * wait on the latch (this process counts as idle from here on) and look at pgs_slot_must_leave.
 */
bool pgs_work_take(pgs_work *out);
/*
 * Between two steps: this process turns to another part of the item in hand, whose deaths count from 0; that part is
 * what pushes, interrupts, pgs_work_finish, pgs_work_yield and the end of the process are about from here on. If the
 * part it leaves was pushed meanwhile, that is queued again. False: another slot has the part in hand, which will look
 * at it again, and this one keeps what it had. True without work in hand, which changes nothing.
 */
bool pgs_work_switch(int32_t part);
/* The part in hand: what was taken, or switched to since. -1 also when nothing is in hand. */
int32_t pgs_work_part(void);
/*
 * Gives it up. True when somebody pushed it meanwhile: (item, pgs_work_part()) is still ours, read the tables again.
 * To be called after the commit, when this process knows nothing more to do for it.
 */
bool pgs_work_finish(void);
/*
 * Gives it up and puts `part` of it, which may be another one than that in hand, at the end of the queue, in one; what
 * somebody pushed meanwhile goes there too.
 */
void pgs_work_yield(int32_t part);
/*
 * This process is about to end for a reason that is not the fault of the work in hand (disk full, lock table full): at
 * its exit the work is put back without counting a death. The launcher still waits before it starts another one
 * there. Holds until the next pgs_work_take.
 */
void pgs_work_blameless(void);
/* The work in hand got on: who died of it before did so at an earlier step. */
void pgs_work_progressed(void);
/* This process is about to end because of an error that it reported: the launcher waits longer from time to time. */
void pgs_executor_gives_up(void);
/* The work in hand has ended a process once more than before; how often, in all. */
int32_t pgs_work_count_death(void);
int32_t pgs_work_deaths(void);
/*
 * A new step begins: new generation, late SIGINTs of others are forgotten. An interrupt of ours that came since the
 * work was taken, or since the last step, hits this step at its first CHECK_FOR_INTERRUPTS: whoever asked committed his
 * request before, and this process may have read the tables before that. A spurious one costs a second look.
 */
void pgs_slot_begin_step(void);
/*
 * The commit begins: no interrupt of ours reaches it from here on (the caller does CHECK_FOR_INTERRUPTS after this
 * and before committing, for the cancels of others). False when one came before: roll back.
 */
bool pgs_slot_begin_commit(void);
/*
 * Makes this process the one of its database whose step runs by itself, to pgs_slot_end_step() or the end of the
 * process; false: another one is. Nothing that a user may call undoes it.
 */
bool pgs_slot_isolate(void);
/* The step and its transaction are over, either way. The next begin_step or give-up implies it, but for isolation. */
void pgs_slot_end_step(void);
/* Whether the step that began last was interrupted by us (and not by pg_cancel_backend or a timeout). */
bool pgs_slot_was_interrupted(void);
/*
 * Between two steps: give up the present work (pgs_work_yield). Somebody without a process waits for a place, this
 * process is asked to leave, or its turn lasted 50 steps or 200 ms and other work of its queue waits.
 */
bool pgs_slot_should_yield(void);
/*
 * Between two steps and when idle: give up the work and exit with 0. After an interrupted step look here first,
 * before any table is touched: whoever drops or renames the database may be waiting for us with its locks held.
 */
bool pgs_slot_must_leave(void);

/* Whether some executor of this database is working on `item` right now. */
bool pgs_item_is_running(int64_t item);

/* ---- Scheduler: at most one per database; never raise ---- */

/* As pgs_executor_attach. */
bool pgs_scheduler_attach(uint64_t main_arg, pgs_oid *database);
/* What the tables say: whether this database has the extension and this process may run its work. */
void pgs_database_mark(bool has_extension);
/*
 * Begins a look at the timers, before the snapshot of the scan is taken. Returns the earliest due time that was
 * hinted since the last begin (PGS_DUE_NEVER if none): the scan starts at the smaller of this and its low-water mark.
 */
int64_t pgs_scheduler_next_due_begin(void);
/* Publishes what the scan found. False: an earlier timer was committed meanwhile, look again. */
bool pgs_scheduler_publish_due(int64_t due);
/*
 * Whether the tables must be swept, and takes the wish; it comes back if this process dies before
 * pgs_scheduler_sweep_done. Ask again after the sweep.
 */
bool pgs_scheduler_take_sweep(void);
void pgs_scheduler_sweep_done(void);
/* Whether the launcher met work of a role that is gone since this was asked last. */
bool pgs_scheduler_take_roleless(void);
/*
 * Where the next sweep begins, so that every role has its turn when there is no room for all: the first role for which
 * the last one found none. 0: there was room for all.
 */
pgs_oid pgs_scheduler_sweep_from(void);
void pgs_scheduler_sweep_stopped(pgs_oid role);
/* Whether to leave: stopped, another database needs the place, or somebody wants to drop, rename or copy this one. */
bool pgs_scheduler_must_leave(void);
/*
 * Leaves, `next_due` stays for the launcher. False: a sweep or an earlier timer was asked for meanwhile and nobody
 * wants us gone: still attached, go on. Then exit with 0.
 */
bool pgs_scheduler_detach(int64_t next_due);
/* As pgs_executor_gives_up. */
void pgs_scheduler_gives_up(void);

/* When the oldest work in the queues of this database is late; PGS_DUE_NEVER when none is there, or none ever is. */
int64_t pgs_scheduler_late_due(void);
/*
 * Takes work of this database that is late out of its role's queue, but what a slot has in hand. If this process dies
 * before pgs_scheduler_sweep_done, the tables are swept.
 */
bool pgs_scheduler_take_late(pgs_oid *role, pgs_work *out);
/*
 * Before a scheduler carries on a part of the item it took, which may be another one than what was late. False: a slot
 * has that part in hand, which will look at it again. True in other processes.
 */
bool pgs_scheduler_may_take(int64_t item, int32_t part);
/*
 * Puts what was taken back and says true when the role may not work here, or may do so again since it could not when
 * this was asked last: nothing in its queue has waited for an executor until now, or in the latter case until
 * `tried_by`, when the launcher, which leaves a barred role alone for a while, has tried again.
 */
bool pgs_scheduler_spare(pgs_oid role, const pgs_work *work, bool may_work, int64_t tried_by);

/*
 * When the scheduler of this database wants to clean up next, which outlasts its process; PGS_DUE_NEVER when nobody has
 * said yet. The launcher starts a scheduler then.
 */
int64_t pgs_scheduler_upkeep_due(void);
void pgs_scheduler_set_upkeep_due(int64_t due);

/* ---- What any process may ask ---- */

/* When this postmaster initialised its shared memory last; 0 without any. */
int64_t pgs_workset_booted_at(void);
/*
 * When the work of this database was last looked after: now, unless the launcher is gone or stopped, or the database
 * should have a scheduler and does not get one. A database in which nothing is due needs none.
 */
int64_t pgs_workset_served_at(void);

/* Whether the shared memory is there: the library was preloaded. */
bool pgs_workset_is_ready(void);
/* Whether this postmaster has gone through a crash restart, and when the last one was (server timestamp). */
bool pgs_was_crash_restart(int64_t *at);

/*
 * Makes a worker of the extension itself deaf to settings of the database: search_path, role, timeouts, isolation and
 * the like, above ALTER DATABASE and ALTER ROLE. To be called before the connection is made.
 */
pgs_error *PGS_NULLABLE pgs_pin_settings(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
