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
        var size: Int
    }

    private var places: [InstanceID: Place] = [:]
    private var clock: UInt64 = 0
    /// What the journals of all that is kept amount to, about in bytes.
    private var size = 0

    mutating func take(_ instance: InstanceID) -> Machine? {
        let place = places.removeValue(forKey: instance)
        size -= place?.size ?? 0
        return place?.machine
    }

    /// Keeps the machine and those used last: `max` machines of `sizeMax` bytes in all, or this one alone.
    mutating func put(_ machine: consuming Machine, max: Int, sizeMax: Int) {
        clock &+= 1
        let id = machine.record.id
        _ = take(id)
        let weight = machine.journalSize
        size += weight
        places[id] = Place(machine: machine, usedAt: clock, size: weight)
        while places.count > Swift.max(max, 0) || (size > sizeMax && places.count > 1),
            let oldest = places.min(by: { $0.value.usedAt < $1.value.usedAt })
        {
            _ = take(oldest.key)
        }
    }
}
