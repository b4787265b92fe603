"""What a stack costs is an estimate that says what it stands on: never a point where it is a range, never silent about
what it leaves out."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.manifests.google.cases import REDIS, STACKS, TABLE, stack

from ebbtide.cost.estimate import at_maximum, at_minimum, estimate
from ebbtide.cost.prices import read_prices
from ebbtide.cost.words import cost_lines, two_digits
from ebbtide.explain.cost import Loads, explain_cost
from ebbtide.judgement.findings import SettingsError

OURS = read_prices()
STANDARD = {"kind": "gkeStandard", "keda": "existing"}
AUTOPILOT = {"kind": "gkeAutopilot", "keda": "existing"}
SCALED = {**REDIS, "autoscaling": {"kind": "keda", "minReplicas": 0, "maxReplicas": 10}}
STREAM = {**SCALED, "transport": {**REDIS["transport"], "address": "10.0.0.1:6379", "stream": "mail"}}


def costs(settings, pods=at_maximum, table=OURS):
    return {item.what: (item.least, item.most) for item in estimate(settings, table, pods(settings)).items}


def test_autopilot_bills_what_pods_request_and_nothing_at_zero():
    settings = stack(AUTOPILOT, consumers={"mail": STREAM})
    assert costs(settings, at_minimum)["pods"] == (0, 0)
    one = settings.consumers["mail"]
    hour = one.cpu_request_millicores / 1000 * 0.0445 + one.memory_request_bytes / 1024**3 * 0.0049225
    assert costs(settings)["pods"] == pytest.approx((10 * hour * 730,) * 2)


def test_nodes_are_a_range_between_packed_and_one_for_each_pod():
    settings = stack(STANDARD, consumers={"mail": STREAM})
    ((_, (least, most)),) = [entry for entry in costs(settings).items() if entry[0].startswith("nodes")]
    assert least < most
    assert most == pytest.approx(6 * (4 * 0.0335 + 0.0014) * 730), "the pool ends at six nodes"


def test_spot_is_never_a_point():
    pools = {"base": {}, "cheap": {"spot": True, "minNodes": 1, "maxNodes": 1}}
    settings = stack(
        {**STANDARD, "nodePools": pools},
        consumers={"mail": {**REDIS, "shutdown": {"longestMessage": "2s"}, "placement": {"spot": True}}},
    )
    ((_, (least, most)),) = [entry for entry in costs(settings, at_minimum).items() if entry[0].startswith("Spot")]
    assert most / least > 3


def test_a_copy_of_the_broker_is_paid_for():
    alone, copied = (
        costs(stack(STANDARD, broker={"kind": "memorystoreValkey", "replicas": count}, consumers={"mail": REDIS}))
        for count in (0, 1)
    )
    assert copied["broker, 2 of STANDARD_SMALL"][0] == pytest.approx(2 * alone["broker, 1 of STANDARD_SMALL"][0])


def test_a_database_in_one_zone_costs_half():
    regional, zonal = (
        costs(stack(STANDARD, broker={"kind": "cloudSqlPostgres", "availability": kind}, consumers={"mail": TABLE}))
        for kind in ("REGIONAL", "ZONAL")
    )
    assert regional["broker, db-custom-2-7680"][0] == pytest.approx(2 * zonal["broker, db-custom-2-7680"][0])
    assert regional["broker, db-custom-2-7680"][0] == pytest.approx((2 * 0.0826 + 7.5 * 0.014) * 730 + 20 * 0.34)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (stack({**STANDARD, "nodePools": {"a": {"machineType": "n2-standard-4"}}}), "nodes of n2-standard-4"),
        (stack(STANDARD), "disks of pd-balanced"),
        (STACKS["cloud sql, everything"], "a broker of db-perf-optimized-N-2"),
        (STACKS["cloud sql, everything"], "the nodes of a cluster that others make"),
    ],
)
def test_what_has_no_price_is_named(settings, named):
    (line,) = cost_lines(settings, OURS)
    assert named in line
    assert "taxes" in line


def test_the_difference_comes_first():
    after = stack(STANDARD, broker={"kind": "memorystoreValkey"}, consumers={"mail": REDIS})
    before = after.model_copy(update={"broker": None})
    (line,) = cost_lines(after, OURS, before)
    assert line.startswith("USD a month: at the minimum +210 (to 3")
    (line,) = cost_lines(after, OURS, after)
    assert line.startswith("USD a month: at the minimum as before (")


def test_a_load_is_a_point_of_its_own():
    settings = stack(AUTOPILOT, consumers={"mail": STREAM})
    (line,) = cost_lines(settings, OURS, loads={"mail": 2.5})
    assert "; under the committed loads " in line


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0"), (0.123, "0.12"), (7.05, "7.0"), (73, "73"), (1234, "1,200"), (-987, "-990")]
)
def test_two_digits_are_all_that_is_known(amount, text):
    assert two_digits(amount) == text


def test_an_old_table_says_so():
    day = OURS.date
    assert not OURS.is_old(day + dt.timedelta(days=180))
    assert OURS.is_old(day + dt.timedelta(days=181))
    fresh = replace(OURS, date=dt.datetime.now(dt.UTC).date())
    assert "old" not in fresh.words
    assert "more than 180 days old: replace them by prices.yaml" in OURS.words


def test_a_project_lays_its_own_prices_over_ours(tmp_path: Path):
    today = dt.datetime.now(dt.UTC).date()
    (tmp_path / "prices.yaml").write_text(
        f'date: "{today}"\nregion: europe-west1\nprices:\n  cluster.hour: 1\n  pd-balanced.gigabyte.month: 0.1\n'
    )
    own = read_prices(tmp_path)
    assert own.words == (
        f"prices of europe-west1 since {today}, those that prices.yaml does not give of us-central1 since 2024-07-01, "
        "more than 180 days old: replace them by prices.yaml"
    )
    assert costs(STACKS["autopilot"], table=own)["cluster"] == (730, 730)
    assert not [one for one in estimate(stack(STANDARD), own, {"githubevents": 2}).left_out if "disks" in one]


def test_a_table_of_its_own_in_whole_is_in_its_own_currency_and_not_as_old_as_ours(tmp_path: Path):
    today = dt.datetime.now(dt.UTC).date()
    prices = {name: 2 * price for name, price in OURS.prices.items() if not name.startswith("spot.share.")}
    table = {"date": str(today), "region": "europe-west1", "currency": "EUR", "prices": prices}
    (tmp_path / "prices.yaml").write_text(json.dumps(table))
    own = read_prices(tmp_path)
    assert (own.currency, own.words, own.is_old()) == ("EUR", f"prices of europe-west1 since {today}", False)
    assert costs(STACKS["autopilot"], table=own)["cluster"] == (146, 146)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no mapping"),
        ('date: "2026-11-28"\ncurrency: EUR\nprices: {cluster.hour: 0.1}', "in EUR and ours in USD, and it lacks"),
        ('date: "2026-11-28"\nprices: {cluster.huor: 1}', "nothing is called cluster.huor"),
        ("date: yesterday\n", "yesterday"),
        ('date: "2026-11-28"\nprices: {cluster.hour: cheap}', "no numbers"),
        ("prices: {}", "'date'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(text: str, said: str, tmp_path: Path):
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_prices(tmp_path)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_explain_says_what_a_load_costs_with_how_many_pods_that_is():
    settings = stack(AUTOPILOT, consumers={"mail": STREAM, "reports": STREAM})
    found = explain_cost(settings, OURS, Loads({"mail": 2.5}, "given"))
    least, _, load = found.points
    assert (least.at, load.at) == ("min", "load")
    assert load.pods == {"mail": 2.5, "reports": 0}
    assert load.least > least.least
    assert "under the given loads, the others at the minimum" in found.words[0]


def test_without_a_load_nothing_is_said_of_one():
    settings = stack(AUTOPILOT, consumers={"mail": STREAM})
    assert [point.at for point in explain_cost(settings, OURS).points] == ["min", "max"]
