// SPDX-License-Identifier: PostgreSQL

import DurableCore
import DurableModel

/// Machines of instances that this executor worked on last, so that most turns replay nothing.
///
/// A machine is taken out while a turn changes it and put back only when all that it holds is stored: a turn that
/// ends in any other way leaves nothing behind that could be wrong.
struct MachineCache {
    private struct Place {
        var machine: Machine
        var usedAt: UInt64
    }

    private var places: [InstanceID: Place] = [:]
    private var clock: UInt64 = 0

    mutating func take(_ instance: InstanceID) -> Machine? {
        places.removeValue(forKey: instance)?.machine
    }

    mutating func put(_ machine: consuming Machine, max: Int) {
        clock &+= 1
        places[machine.record.id] = Place(machine: machine, usedAt: clock)
        while places.count > Swift.max(max, 0),
            let oldest = places.min(by: { $0.value.usedAt < $1.value.usedAt })
        {
            places.removeValue(forKey: oldest.key)
        }
    }
}
