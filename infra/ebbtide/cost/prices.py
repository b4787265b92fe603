"""The table of prices: ours, dated, and whatever the project's `prices.yaml` says instead."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
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
    """When the oldest of them were read."""
    region: str
    currency: str
    source: str
    prices: Mapping[str, float]

    def is_old(self, today: dt.date | None = None) -> bool:
        """Whether nobody has looked for more than 180 days."""
        now = today or dt.datetime.now(dt.UTC).date()
        return (now - self.date).days > OLD_AFTER_DAYS

    @property
    def words(self) -> str:
        """Where the prices are from, and whether they are old."""
        old = f", more than {OLD_AFTER_DAYS} days old: replace them by prices.yaml" if self.is_old() else ""
        return f"prices of {self.region} since {self.date}{old}"


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
        remedy = 'write date: "2026-11-28" and prices by the names of docs/cost.md'
        raise refused("schema", f"cannot be used: {error}", remedy, file=OWN_TABLE) from None


def _laid_over(ours: PriceTable, given: Any) -> PriceTable:
    if not isinstance(given, dict) or not isinstance(given.get("prices", {}), dict):
        raise TypeError("it is no mapping")
    unknown = sorted(set(given.get("prices", {})) - set(ours.prices) - _OTHERS)
    if unknown:
        raise ValueError(f"nothing is called {', '.join(unknown)}")
    whose = {"region": ours.region, "currency": ours.currency, "source": f"the project's {OWN_TABLE}"}
    return _table({**whose, **given, "prices": {**ours.prices, **given.get("prices", {})}})


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
