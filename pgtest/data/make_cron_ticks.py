#!/usr/bin/env python3
# SPDX-License-Identifier: PostgreSQL
"""Writes cron_ticks.tsv: next ticks by croniter (PyPI), for 26 zones over two years. Tests read the file, not this.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install croniter tzdata && /tmp/v/bin/python pgtest/data/make_cron_ticks.py

The years are past ones, so that no later release of the time zone database changes them. Lines:

    zone <tab> NAME <tab> instant:offset …            UTC offsets in seconds from each instant on (Unix minutes)
    next <tab> NAME <tab> EXPRESSION <tab> after+wait …   both in minutes; `after` is Unix time

What an expression means is croniter's alone: which local times it names. What becomes of those that the clocks skip or
show twice is not: croniter has no rule that holds for every expression, so that part is the rule of this project (each
fires once), written down here a second time. A third time, without croniter, it is in pgtest/lib/clock_hand.py.
Two ways of computing each answer must agree, or differ in one of the two ways listed here; the file has the first one.

  1. croniter's list of local times (it is given no zone), put on the clock by the rule of the user guide with Python's
     zoneinfo: a time that does not exist is the end of the gap, one that occurs twice is the first of both.
  2. croniter itself, given the zone. In 16,694 answers it differs 730 times, always so:
       overlap (687)  it ticks in the second pass of an hour that the clocks show twice; here each time fires once
       gap (43)       where more times follow within the hour after the gap (30 * * * *) it drops those of the gap;
                      here they fire, once, as the clocks jump, as its own 30 2 * * * does
"""
import collections
import datetime
import os
import random
import zoneinfo

import croniter

UTC = datetime.timezone.utc
MINUTE = datetime.timedelta(minutes=1)
START = datetime.datetime(2024, 1, 1, tzinfo=UTC)
END = datetime.datetime(2026, 1, 1, tzinfo=UTC)
ZONES = """UTC Europe/London Europe/Berlin Europe/Dublin Europe/Lisbon Atlantic/Azores America/New_York
America/Los_Angeles America/St_Johns America/Sao_Paulo America/Santiago America/Havana America/Asuncion America/Nuuk
Africa/Cairo Africa/Casablanca Asia/Beirut Asia/Gaza Asia/Kolkata Asia/Almaty Australia/Sydney Australia/Lord_Howe
Pacific/Auckland Pacific/Chatham Etc/GMT+5 EST5EDT""".split()
EXPRESSIONS = ["* * * * *", "*/15 * * * *", "30 * * * *", "0 0 * * *", "30 0 * * *", "30 1 * * *", "0 2 * * *",
               "30 2 * * *", "0 3 * * *", "59 23 * * *", "0 */6 * * *", "0 9-17 * * 1-5", "15 1,2,3 * * 0",
               "30 2 * * sun", "0 0 1 * *", "0 12 13 * 5", "45 1 31 3,10 *", "0 4 29 2 *", "5/7 1-3 * 3,10,11 *",
               "@hourly", "@daily", "@weekly", "@monthly", "@yearly"]


def offset(moment, zone):
    return int(moment.astimezone(zone).utcoffset().total_seconds())


def changes(zone):
    """The instants (minutes) at which the offset changes, with the new one, and the one at the beginning."""
    found = [(START - datetime.timedelta(days=400), offset(START - datetime.timedelta(days=400), zone))]
    moment = found[0][0]
    while moment < END:
        hour = moment + datetime.timedelta(hours=1)
        if offset(hour, zone) != offset(moment, zone):
            while offset(moment, zone) == found[-1][1]:
                moment += MINUTE
            found.append((moment, offset(moment, zone)))
        moment = hour
    return found


def instant_of(local, steps):
    """When the clocks first show `local` or a later time."""
    for i, (start, seconds) in enumerate(steps):
        moment = max(start, (local - datetime.timedelta(seconds=seconds)).replace(tzinfo=UTC))
        if i + 1 == len(steps) or moment < steps[i + 1][0]:
            return moment


def rule(expression, after, zone, steps):
    local = after.astimezone(zone).replace(tzinfo=None) - datetime.timedelta(hours=2)
    ticks = croniter.croniter(expression, local, day_or=True)
    while True:
        moment = instant_of(ticks.get_next(datetime.datetime), steps)
        if moment > after:
            return moment


def theirs(expression, after, zone):
    try:
        return croniter.croniter(expression, after.astimezone(zone)).get_next(datetime.datetime).astimezone(UTC)
    except croniter.CroniterBadDateError:
        return None


def kind_of_difference(ours, other, zone, steps):
    """Fails for a difference that is not one of the two."""
    if other < ours:
        assert other.astimezone(zone).fold == 1, (zone, ours, other)
        return "overlap"
    before = {moment: steps[i][1] for i, (moment, _) in enumerate(steps[1:])}
    assert offset(ours, zone) > before[ours], (zone, ours, other)
    return "gap"


def moments(steps, random_source):
    seconds = int((END - START).total_seconds())
    found = {START + datetime.timedelta(minutes=random_source.randrange(seconds // 60)) for _ in range(6)}
    for moment, _ in steps[1:]:
        if START <= moment < END:
            found |= {moment + datetime.timedelta(minutes=m) for m in (-1500, -61, -1, 0, 29, 61, 1500)}
    return sorted(found)


def minutes(moment):
    return int(moment.timestamp()) // 60


def main():
    random_source = random.Random(20260101)
    differences = collections.Counter()
    lines = []
    for name in ZONES:
        zone = zoneinfo.ZoneInfo(name)
        steps = changes(zone)
        lines.append("zone\t%s\t%s" % (name, " ".join("%d:%d" % (minutes(m), o) for m, o in steps)))
        for expression in EXPRESSIONS:
            ticks = []
            for after in moments(steps, random_source):
                ours = rule(expression, after, zone, steps)
                if ours >= END:
                    continue  # where rules may still change
                other = theirs(expression, after, zone)
                differences["all"] += 1
                if ours != other:
                    differences[kind_of_difference(ours, other, zone, steps)] += 1
                ticks.append("%d+%d" % (minutes(after), minutes(ours) - minutes(after)))
            lines.append("next\t%s\t%s\t%s" % (name, expression, " ".join(ticks)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cron_ticks.tsv")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    print(dict(differences))


main()
