"""`ebbtide advise`: a stack-file fragment that meets the goal, in text and JSON, and status 1 where there is none."""

from __future__ import annotations

import json

import pytest
from tests import quick_yaml
from tests.cli.simulated import STACK

from ebbtide.cli.main import main

# Fifty messages at once, ten seconds each, on pods of four workers.
_AT_ONCE = [(0, 10)] * 50
_REDIS = "      transport: {kind: redis, address: 'redis.brokers:6379', stream: mail, redeliverTimeout: 60s}\n"
_CPU = "      resources: {cpu: {request: 100m}}\n"
_KEDA = STACK.split("      autoscaling:")[0] + _REDIS + _CPU + "      autoscaling: {kind: keda, maxReplicas: 4}\n"


@pytest.fixture
def advised(shop, monkeypatch, capsys):
    """Runs the command on the shop: (status, output, errors)."""
    shop.write("stacks/Pulumi.dev.yaml", _KEDA)
    shop.write_load(_AT_ONCE)

    def run(*arguments, load="mail.csv"):
        command = ["ebbtide", "advise", "-s", "dev", "--project", str(shop.root), *arguments]
        monkeypatch.setattr("sys.argv", [*command, "--load", str(shop.root / load)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def test_it_prints_the_cheapest_as_a_fragment_of_a_stack_file(advised):
    status, out, _ = advised("--goal", "max < 41s")
    assert status == 0
    assert "The cheapest that meets max < 41.0 s: " in out
    fragment = quick_yaml.load(out[out.index("autoscaling:") : out.index("This stands on")])
    # Three pods of four have begun the fiftieth message after forty seconds; nobody starts as fast as they stand.
    assert fragment == {"autoscaling": {"kind": "fixed", "replicas": 3}}
    rows = [line.split("  ")[0] for line in out.splitlines() if line.startswith(("fixed", "hpa on CPU", "keda"))]
    assert rows == ["fixed", "hpa on CPU", "keda"], out


def test_the_json_has_all_that_were_tried_and_the_same_choice(advised):
    status, out, _ = advised("--goal", "max < 41s", "--goal", "podHours < 10", "--format", "json")
    assert status == 0
    found = json.loads(out)
    assert list(found) == [
        "version", "stack", "consumer", "load", "seeds", "goals", "families", "tried", "chosen", "fragment",
        "verdict", "assumptions", "notModelled",
    ]  # fmt: skip
    assert found["goals"] == ["max < 41.0 s", "podHours < 10"]
    assert found["chosen"]["autoscaling"] == {"kind": "fixed", "replicas": 3}
    assert found["chosen"]["meets"] is True
    assert [family["family"] for family in found["families"]] == ["fixed", "hpa on CPU", "keda"]
    cheaper = [
        one
        for one in found["tried"]
        if one["meets"] and one["figures"]["podHours"] < found["chosen"]["figures"]["podHours"]
    ]
    assert not cheaper


def test_a_goal_that_nothing_meets_says_what_keeps_each_and_ends_with_1(advised):
    status, out, _ = advised("--goal", "max < 1s", "--goal", "connections < 20")
    assert status == 1, "a script that asks for a goal must see that there is none"
    assert "Nothing meets max < 1.0 s and connections < 20. fixed, " in out
    assert "autoscaling:" not in out.split("This stands on")[0]


def test_what_cannot_be_compared_is_named_with_its_reason(advised, shop):
    shop.write("stacks/Pulumi.dev.yaml", STACK)
    status, out, _ = advised("--goal", "max < 41s")
    assert status == 0
    assert "Not compared: keda: " in out
    assert "address" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--goal", "p96 < 60s"), "--goal: is no goal (got 'p96 < 60s')"),
        (("--goal", "p95 < 60s", "--consumer", "spam"), "--consumer: must name a consumer of stack dev (got 'spam')"),
        (("--goal", "p95 < 60s", "--set", "processes"), "--set: is no setting and value (got 'processes')"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(advised, arguments, said):
    status, _, err = advised(*arguments)
    assert status == 1
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("name", "said"), [("gone.csv", "gone.csv: cannot be read"), (".", "Is a directory")])
def test_a_load_that_nothing_can_be_run_under_is_refused_in_a_line(name, said, advised):
    status, out, err = advised("--goal", "p95 < 60s", load=name)
    assert (status, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_goal_is_needed(advised):
    status, _, err = advised()
    assert status == 2
    assert "--goal" in err
