"""Rules about the time zone in which the query that KEDA asks of a database compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.rules.declare import scaling_rule
from ebbtide.settings.values.zones import is_zone_in_any_case, likely_zone

if TYPE_CHECKING:
    from ebbtide.settings.models.doctrine import DoctrineTransport

_UTC = re.compile(r"(Etc/)?(UTC|UCT|Zulu|Universal|Greenwich|GMT([+-]?0)?)|[+-]00:00", re.IGNORECASE)
# Hours from Greenwich, with or without what stands before them; that Etc/GMT+2 is a zone is asked first.
_HOURS = re.compile(r"(?:[A-Za-z][A-Za-z_/]{2,})?(?P<sign>[+-])(?P<number>[0-9]{1,2}(?::?[0-9]{2})?)")
# Names that PostgreSQL finds beside those: of its machine's own list, and with leap seconds. What ends in a number it
# reads as hours.
_OF_ITS_MACHINE = re.compile(r":.*|(posix|right)/.*|.*[0-9].*", re.IGNORECASE)


@scaling_rule(
    KedaSettings,
    "KE-36b",
    Level.ERROR,
    remedy="Write the zone's name as date.timezone has it, for example Europe/Paris.",
    source="PostgreSQL, POSIX time zone specifications: +02 and UTC+2 are two hours west of Greenwich, behind UTC.",
)
def check_time_zone_has_a_name(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A time zone of PostgreSQL is named, and no number of hours. It counts them the other way than everybody else:
    messages would be counted twice as many hours late, or before they are due."""
    transport: DoctrineTransport | None = of_kind(consumer.transport, "doctrine")
    if transport is None or scaling.triggers or transport.platform != "postgresql":
        return
    hours = _HOURS.fullmatch(transport.time_zone)
    if hours is not None and hours["number"].strip("0:") and not is_zone_in_any_case(transport.time_zone):
        yield Finding(
            ("transport", "timeZone"),
            f"is {transport.time_zone}, {'west' if hours['sign'] == '+' else 'east'} of Greenwich to PostgreSQL: "
            "messages would be counted hours late, or hours before they are due",
            "write the zone's name as date.timezone has it, for example Europe/Paris",
        )


@scaling_rule(
    KedaSettings,
    "KE-36c",
    Level.ERROR,
    remedy="Write the zone's name as date.timezone has it, for example Europe/Paris.",
    source="PostgreSQL 15 was asked: `Europe/Berlim` is not recognized; `Foo/Bar-3`, of POSIX, is taken for hours.",
)
def check_time_zone_exists(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A time zone of PostgreSQL exists. With another name the query that KEDA asks ends in an error, and nothing
    scales. Names without a slash may be abbreviations, those with a number hours: they are not judged."""
    transport: DoctrineTransport | None = of_kind(consumer.transport, "doctrine")
    if transport is None or scaling.triggers or transport.platform != "postgresql":
        return
    zone = transport.time_zone
    if "/" in zone and not is_zone_in_any_case(zone) and not _OF_ITS_MACHINE.fullmatch(zone):
        yield Finding(
            ("transport", "timeZone"),
            f"is no time zone, so PostgreSQL refuses the query that KEDA asks, and nothing scales (got {zone!r})",
            f"write for example {likely_zone(zone)}",
        )


@scaling_rule(
    KedaSettings,
    "KE-36",
    Level.WARNING,
    remedy="Write timeZone as PHP's date.timezone says, or set that to UTC.",
    source="symfony/doctrine-messenger 5.4.53 writes PHP's local time, 6.4.50 and 7.4.22 write UTC.",
)
def check_time_zone(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """The query compares times of one time zone. Up to Symfony 5.4 messages are written in PHP's: ahead of UTC they
    would be counted hours late, behind it hours before they are due."""
    transport: DoctrineTransport | None = of_kind(consumer.transport, "doctrine")
    if transport is None or scaling.triggers or transport.symfony != "5.4":
        return
    if "time_zone" not in transport.model_fields_set:
        yield Finding(
            ("transport", "timeZone"),
            "is UTC by default, and Symfony 5.4 writes PHP's local time",
            "write what date.timezone says there, also where it is UTC",
        )


@scaling_rule(
    KedaSettings,
    "KE-36a",
    Level.ERROR,
    remedy="Set PHP's date.timezone to UTC.",
    source="The query asks UTC_TIMESTAMP(): CONVERT_TZ is NULL where MySQL's tables of time zones are not loaded.",
)
def check_time_zone_of_mysql(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """On MySQL messages are written in UTC, in which the query compares. Other zones need tables that are often not
    loaded."""
    transport: DoctrineTransport | None = of_kind(consumer.transport, "doctrine")
    if transport is None or scaling.triggers:
        return
    if transport.platform == "mysql" and not _UTC.fullmatch(transport.time_zone):
        yield Finding(
            ("transport", "timeZone"),
            f"is {transport.time_zone}, and on MySQL the query compares with UTC: what is written in another zone is "
            "counted hours late, or hours before it is due",
            "set date.timezone to UTC in the workers, and write UTC here",
        )
