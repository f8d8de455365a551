/* SPDX-License-Identifier: PostgreSQL */
/* Background workers: registering and starting them, and what their main function needs. */
#include "guard.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "pgs_entry.h"
#include "worker.h"

void
pgs_worker_fill(BackgroundWorker *out, const pgs_worker *worker)
{
    memset(out, 0, sizeof(*out));
    strlcpy(out->bgw_name, worker->name, sizeof(out->bgw_name));
    strlcpy(out->bgw_type, worker->type, sizeof(out->bgw_type));
    strlcpy(out->bgw_library_name, worker->library, sizeof(out->bgw_library_name));
    strlcpy(out->bgw_function_name, worker->function, sizeof(out->bgw_function_name));
    out->bgw_flags = BGWORKER_SHMEM_ACCESS | (worker->database ? BGWORKER_BACKEND_DATABASE_CONNECTION : 0);
    out->bgw_start_time = worker->at_consistency ? BgWorkerStart_ConsistentState : BgWorkerStart_RecoveryFinished;
    out->bgw_restart_time = worker->restart_seconds < 0 ? BGW_NEVER_RESTART : worker->restart_seconds;
    out->bgw_main_arg = (Datum) worker->argument;
    if (worker->extra != NULL)
        memcpy(out->bgw_extra, worker->extra, Min(worker->extra_length, BGW_EXTRALEN));
}

pgs_error *
pgs_worker_register(const pgs_worker *worker)
PGS_GUARD_BEGIN
    BackgroundWorker entry;

    pgs_worker_fill(&entry, worker);
    RegisterBackgroundWorker(&entry);
PGS_GUARD_END

pgs_error *
pgs_worker_start(const pgs_worker *worker, void **handle)
PGS_GUARD_BEGIN
    BackgroundWorker entry;
    BackgroundWorkerHandle *started = NULL;

    pgs_worker_fill(&entry, worker);
    entry.bgw_notify_pid = MyProcPid;
    *handle = NULL;
    MemoryContextSwitchTo(TopMemoryContext);
    if (RegisterDynamicBackgroundWorker(&entry, &started))
        *handle = started;
PGS_GUARD_END_RESTORING

pgs_error *
pgs_worker_get_status(void *handle, pgs_worker_status *status, int32_t *pid)
PGS_GUARD_BEGIN
    pid_t found = 0;

    switch (GetBackgroundWorkerPid(handle, &found))
    {
        case BGWH_STARTED:
            *status = PGS_WORKER_STARTED;
            break;
        case BGWH_NOT_YET_STARTED:
            *status = PGS_WORKER_NOT_YET_STARTED;
            break;
        case BGWH_STOPPED:
            *status = PGS_WORKER_STOPPED;
            break;
        case BGWH_POSTMASTER_DIED:
            *status = PGS_WORKER_POSTMASTER_DIED;
            break;
    }
    *pid = (int32_t) found;
PGS_GUARD_END

pgs_error *
pgs_worker_terminate(void *handle)
PGS_GUARD_BEGIN
    TerminateBackgroundWorker(handle);
PGS_GUARD_END

void
pgs_worker_forget(void *handle)
{
    pfree(handle);
}

pgs_error *
pgs_worker_connect(pgs_oid database, pgs_oid role)
PGS_GUARD_BEGIN
    BackgroundWorkerInitializeConnectionByOid(database, role, 0);
PGS_GUARD_END_RESTORING

pgs_error *
pgs_worker_connect_by_name(const char *database, const char *role)
PGS_GUARD_BEGIN
    BackgroundWorkerInitializeConnection(database, role, 0);
PGS_GUARD_END_RESTORING

void
pgs_worker_extra(uint8_t *out, size_t length)
{
    memset(out, 0, length);
    if (MyBgworkerEntry != NULL)
        memcpy(out, MyBgworkerEntry->bgw_extra, Min(length, BGW_EXTRALEN));
}

/* The server's default for SIGTERM would end the process inside the signal handler, whatever it was at. */
void
pgs_worker_prepare(void)
{
    pqsignal(SIGTERM, die);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    BackgroundWorkerUnblockSignals();
    MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "background worker", ALLOCSET_DEFAULT_SIZES));
}

void
pgs_proc_exit(int32_t code)
{
    pgs_trap_armed = 0;
    proc_exit(code == 0 ? 0 : 1);
}
