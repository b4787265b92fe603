"""The table of prices: ours, dated, and whatever the project's `prices.yaml` says instead."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from ebbtide.judgement.findings import refused
from ebbtide.settings.loading.yaml import read_yaml
from ebbtide.settings.models.memorystore import CLIENT_LIMITS

OWN_TABLE = "prices.yaml"
OLD_AFTER_DAYS = 180
# Names of which our table has no price.
_OTHERS = frozenset(
    {"pd-balanced.gigabyte.month", "hyperdisk-balanced.gigabyte.month"}
    | {f"valkey.{node}.hour" for node in CLIENT_LIMITS}
)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by name; what each is for stands in docs/cost.md."""

    date: dt.date
    """When the oldest of them were read; of a project's own, of those that it gives."""
    region: str
    currency: str
    source: str
    prices: Mapping[str, float]
    others: PriceTable | None = None
    """Where those are from that a project's own table does not give."""

    @property
    def oldest(self) -> dt.date:
        """When the oldest of all were read."""
        return self.date if self.others is None else min(self.date, self.others.date)

    def is_old(self, today: dt.date | None = None) -> bool:
        """Whether nobody has looked at some of them for more than 180 days."""
        now = today or dt.datetime.now(dt.UTC).date()
        return (now - self.oldest).days > OLD_AFTER_DAYS

    @property
    def words(self) -> str:
        """Where the prices are from, and whether they are old."""
        own, rest = f"prices of {self.region} since {self.date}", ""
        if self.others is not None:
            rest = f", those that {OWN_TABLE} does not give of {self.others.region} since {self.others.date}"
        old = f", more than {OLD_AFTER_DAYS} days old: replace them by {OWN_TABLE}" if self.is_old() else ""
        return f"{own}{rest}{old}"


def read_prices(root: Path | None = None) -> PriceTable:
    """Our table, with what `prices.yaml` in the project's directory says laid over it. Raises SettingsError for one
    that cannot be used."""
    ours = _table(json.loads(files(__package__).joinpath("prices.json").read_text(encoding="utf-8")))
    own = root / OWN_TABLE if root is not None else None
    if own is None or not own.is_file():
        return ours
    try:
        return _laid_over(ours, read_yaml(own, Path(OWN_TABLE)))
    except (KeyError, TypeError, ValueError) as error:
        remedy = 'write date: "2026-11-28" and prices by the names of docs/cost.md, all of them for another currency'
        raise refused("schema", f"cannot be used: {error}", remedy, file=OWN_TABLE) from None


def _laid_over(ours: PriceTable, given: Any) -> PriceTable:
    if not isinstance(given, dict) or not isinstance(given.get("prices", {}), dict):
        raise TypeError("it is no mapping")
    unknown = sorted(set(given.get("prices", {})) - set(ours.prices) - _OTHERS)
    if unknown:
        raise ValueError(f"nothing is called {', '.join(unknown)}")
    whose = {"region": ours.region, "currency": ours.currency, "source": f"the project's {OWN_TABLE}"}
    own = _table({"prices": {}, **whose, **given})
    missing = sorted(name for name in set(ours.prices) - set(own.prices) if not name.startswith("spot.share."))
    if missing and own.currency != ours.currency:
        raise ValueError(f"it is in {own.currency} and ours in {ours.currency}, and it lacks {', '.join(missing)}")
    return replace(own, prices={**ours.prices, **own.prices}, others=ours if missing else None)


def _table(raw: Mapping[str, object]) -> PriceTable:
    prices = raw["prices"]
    if not isinstance(prices, Mapping) or not all(isinstance(price, int | float) for price in prices.values()):
        raise TypeError("prices are no numbers")
    return PriceTable(
        dt.date.fromisoformat(str(raw["date"])),
        str(raw["region"]),
        str(raw["currency"]),
        str(raw["source"]),
        {str(name): float(price) for name, price in prices.items()},
    )
