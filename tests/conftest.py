"""What every test may use."""

from __future__ import annotations

import signal

import pytest

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
