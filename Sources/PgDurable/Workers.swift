// SPDX-License-Identifier: PostgreSQL

internal import CPostgres
internal import DurablePostgres
internal import PostgresExtension

// The main functions of the processes; what they do is in DurablePostgres.

@_cdecl("pg_durable_executor_main_swift")
public func executorMain(_ argument: UInt64) -> Int32 {
    Access.isExecutor = true
    return ExecutorProcess.run(argument) { Settings.executor() }
}

@_cdecl("pg_durable_scheduler_main_swift")
public func schedulerMain(_ argument: UInt64) -> Int32 {
    SchedulerProcess.run(argument)
}
