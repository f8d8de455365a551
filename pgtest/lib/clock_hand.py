# SPDX-License-Identifier: PostgreSQL
"""When a schedule fires, by watching a clock on the wall for every minute: nothing is computed ahead.

The rule is that of the user guide: a local time that the clocks skip fires once, as they jump; one that they show twice
fires the first time. So the clock's hand has a mark at the latest time it ever showed, and only what lies beyond the
mark counts. Shares nothing with croniter, nor with the library: expressions are parsed here, the clock is zoneinfo's.
"""
import datetime
import zoneinfo

UTC = datetime.timezone.utc
MINUTE = datetime.timedelta(minutes=1)
NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
         "@yearly": "0 0 1 1 *"}
DAYS = {name: n for n, name in enumerate("sun mon tue wed thu fri sat".split())}


def field(text, low, high):
    """The numbers that a field of an expression names."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            first, _, last = (str(DAYS.get(word, word)) for word in span.partition("-"))
            last = last or (str(high) if step else first)
        found.update(range(int(first), int(last) + 1, int(step or 1)))
    return found


class Expression:
    def __init__(self, text):
        minutes, hours, days, months, weekdays = NAMED.get(text, text).split()
        self.times = {hour * 60 + minute for hour in field(hours, 0, 23) for minute in field(minutes, 0, 59)}
        self.days, self.months = field(days, 1, 31), field(months, 1, 12)
        self.weekdays = {day % 7 for day in field(weekdays, 0, 7)}
        # Of two restricted fields for the day, either is enough.
        self.either = days[0] != "*" and weekdays[0] != "*"
        self.known = {}

    def matches(self, local):
        date = local.date()
        if date not in self.known:
            by_day, by_weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
            self.known[date] = date.month in self.months and (
                by_day or by_weekday if self.either else by_day and by_weekday)
        return self.known[date] and local.hour * 60 + local.minute in self.times


def changes(name, begin, end):
    """The minutes in which the clocks of the zone are changed."""
    zone = zoneinfo.ZoneInfo(name)
    hours = [begin + datetime.timedelta(hours=n) for n in range(int((end - begin).total_seconds()) // 3600)]
    offsets = [moment.astimezone(zone).utcoffset() for moment in hours]
    return [moment for moment, one, other in zip(hours, offsets, offsets[1:]) if one != other]


def watch(name, expressions, begin, end):
    """For each expression the minutes from `begin` to `end` at which it fires."""
    zone = zoneinfo.ZoneInfo(name)
    ticks = [[] for _ in expressions]
    # Some hours earlier, so that the mark is where it would be.
    now = begin - datetime.timedelta(hours=4)
    mark = now.astimezone(zone).replace(tzinfo=None)
    while now < end:
        now += MINUTE
        shown = now.astimezone(zone).replace(tzinfo=None)
        passed = []
        while mark < shown:
            mark += MINUTE
            passed.append(mark)
        if now >= begin:
            for expression, found in zip(expressions, ticks):
                if any(expression.matches(local) for local in passed):
                    found.append(now)
    return ticks
