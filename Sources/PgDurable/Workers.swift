// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

// The main functions of the processes; what they do is in DurablePostgres.

@c(pg_durable_executor_main_swift)
func executorMain(_ argument: UInt64) -> Int32 {
    Access.isExecutor = true
    return ExecutorProcess.run(argument) { Settings.executor() }
}

@c(pg_durable_http_main_swift)
func httpMain(_ argument: UInt64) -> Int32 {
    HTTPWorkerProcess.run { HTTPSettings.worker() }
}

@c(pg_durable_scheduler_main_swift)
func schedulerMain(_ argument: UInt64) -> Int32 {
    SchedulerProcess.run(argument) { Settings.scheduler() }
}

@c(pg_durable_start_main_swift)
func starterMain(_ argument: UInt64) -> Int32 {
    NewTransaction.serve(
        argument,
        allowsSuperusers: Settings.allowsSuperusers,
        quota: Settings.startQuota
    )
}
