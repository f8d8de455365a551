// SPDX-License-Identifier: PostgreSQL

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Ends the process with the code of a failed run.
func exitWithFailure() -> Never { exit(1) }
