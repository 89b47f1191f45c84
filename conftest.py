"""In CI a skipped test is a failed one: what it needs is to be installed. Tests that share what their module starts
stay in one process. Whatever a test starts finds its modules compiled. How long an example of a property takes is for
the machine to say, and no fault."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Of whichever profile is in force, CI's own or the usual one.
settings.register_profile(
    "busy machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


def pytest_configure(config: pytest.Config) -> None:
    """A run starts several hundred Pythons, each of which would compile a thousand modules where the environment keeps
    it from writing them beside their sources. An installation has them compiled.

    A shell that starts a run in the background has SIGINT ignored, which programs hand on to what they start: they
    would not hear the Ctrl+C of a test.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(config.rootpath / ".pytest_cache" / "bytecode"))


SHORT = ("tests/qi/", "tests/events/")
"""Where tests take milliseconds: they come last, so that the processes of a run end together. What stays together goes
ahead of all others, the most tests first; that is xdist's."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a module starts once is started in one process: its tests stay together. No long test comes last."""
    items.sort(key=lambda item: item.nodeid.startswith(SHORT))
    for item in items:
        fixtures = getattr(item, "_fixtureinfo", None)
        defined = [one for known in fixtures.name2fixturedefs.values() for one in known] if fixtures else []
        if any(one.scope == "module" for one in defined) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("QI_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
