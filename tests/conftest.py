"""What every test may use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

# Properties are tried with the same values in every run: what CI refuses is refused here too, and by whom it was broken
# is plain. New values for all: EBBTIDE_TEST_NEW_VALUES=1, before a release.
NEW_VALUES, SAME_VALUES = "new values", "same values"
# No value is too slow: by themselves 0.2 s for one of them, or a second to draw the first ten, are a failure, and a
# machine that does much else takes that at any time.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Both say it: Hypothesis' own profile draws the same values wherever a variable such as `CI` is set.
settings.register_profile(NEW_VALUES, _CALM, derandomize=False, print_blob=True)
settings.register_profile(SAME_VALUES, _CALM, derandomize=True)
settings.load_profile(NEW_VALUES if os.environ.get("EBBTIDE_TEST_NEW_VALUES") else SAME_VALUES)

# What a shell starts in the background ignores Ctrl-C, and so does everything that it starts; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/ anew from the present code")
    parser.addoption(
        "--release-urns", action="store_true", help="write tests/engine/urns/ anew: what is dropped there, users lose"
    )


_FILES: dict[str, None] = {}
_KEPT_FILES = 6


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """A failure says what else there was: how busy the machine, and what this process had run before."""
    report: pytest.TestReport = yield
    file = item.nodeid.partition("::")[0]
    before = [name for name in _FILES if name != file][-_KEPT_FILES:]
    _FILES.pop(file, None)
    _FILES[file] = None
    if report.failed:
        process = os.environ.get("PYTEST_XDIST_WORKER", "the only one")
        began = datetime.fromtimestamp(call.start, UTC)
        loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
        told = f"{report.when} began at {began:%H:%M:%S} UTC and took {call.duration:.1f} s; load {loads}; "
        told += f"process {process}, in which {', '.join(before) or 'nothing'} ran before"
        report.sections.append(("the machine", told))
    return report


# What is imported and collected stays: the collector need not look through it, nor later again and again.
gc.disable()


def pytest_collection_finish() -> None:
    """Of what is made from now on, most goes. The collector took 6 % of the processor time of tests that run in this
    process (15.9 s of 921 tests became 14.9 s, measured)."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


# What a test has of these are processes of its own, for which it mostly waits: longest first.
_WAITING = ("open_scene", "container")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what waits, the longest at the very first: the first process of a run has it then, while the others
    compute. Last, all of them waited at once for what none of them had begun in time. In tier `runtime` all wait, and
    files stay whole, as their fixtures do."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("runtime"):
        return len(_WAITING)
    asked = getattr(item, "fixturenames", ())
    return next((turn for turn, fixture in enumerate(_WAITING) if fixture in asked), len(_WAITING))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))
