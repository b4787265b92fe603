"""What every test may use."""

from __future__ import annotations

import signal

import pytest

NOT_PROVEN = "not proven"
"""The property of a test that has only shown that we ask a stand-in for the right thing."""

# What a shell starts in the background ignores Ctrl-C, and so does everything that it starts; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/ anew from the present code")
    parser.addoption(
        "--release-urns", action="store_true", help="write tests/engine/urns/ anew: what is dropped there, users lose"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-golden"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what passed only with a stand-in: here, because a run in several processes reads no other conftest.py."""
    reports = terminalreporter.stats.get("passed", [])
    names = sorted(value for report in reports for key, value in report.user_properties if key == NOT_PROVEN)
    if names:
        terminalreporter.section("NOT PROVEN without Pulumi's own Kubernetes plugin")
        for name in names:
            terminalreporter.line(name)
