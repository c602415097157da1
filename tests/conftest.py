"""Tiers: which tests need what, how long each tier took, and no silence about one that did not run.

A test belongs to the tier of its folder. In CI (``CI`` is set) a skipped test fails the run, unless it
is marked ``gpu`` or ``comfyui``, and so does a tier of which nothing ran, when the whole suite was asked for.
"""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Generator

import hypothesis
import pytest

hypothesis.settings.register_profile("shared-machine", deadline=None)  # speed is a benchmark's business
hypothesis.settings.load_profile("shared-machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # run in the background: Ctrl-C is tested all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

TIERS = {
    "unit": "protocol, graph, imaging, models, host: no process, no model",
    "model": "small models on the CPU, parity with reference latents",
    "process": "client, daemon, worker and command line as real processes",
    "unreal": "the plugin against the engine's generated API, an imitation of it, and a real daemon",
    "blender": "a real Blender (bpy), one environment a version",
}
FOLDERS = {
    "diffusion": "model",
    "families": "model",
    "nodes": "model",
    "parity": "model",
    "client": "process",
    "jobs": "process",
    "server": "process",
    "cli": "process",
    "bad_input": "process",
    "benchmarks": "process",
    "browser": "process",
    "clients": "process",
    "comfy": "process",
    "drills": "process",
    "packs": "process",
    "daemon": "process",
    "packaging": "process",
    "training": "model",
    "blender": "blender",
    "unreal": "unreal",
}


MAY_SKIP = {"gpu", "comfyui", "mount"}
"""Marks of tests that need what CI has not."""


def tier_of(node_id: str) -> str:
    return FOLDERS.get(node_id.removeprefix("tests/").split("/")[0], "unit")


class TierReport:
    """Counts outcomes and seconds by tier, and remembers what CI must not forgive."""

    def __init__(self) -> None:
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: Counter[str] = Counter()
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tier = tier_of(report.nodeid)
        self.seconds[tier] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[tier][report.outcome] += 1
        if report.skipped and not MAY_SKIP & set(report.keywords):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "expected to fail"
            self.skipped.append(f"{report.nodeid}: {reason}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(f"{report.nodeid}: not collected")

    def faults(self, config: pytest.Config) -> list[str]:
        if not os.environ.get("CI"):
            return []
        whole_suite = config.args == config.getini("testpaths") and not config.option.markexpr
        missing = [tier for tier in TIERS if whole_suite and not self.outcomes[tier]["passed"]]
        faults = [f"tier {tier}: nothing ran" for tier in missing]
        return faults + [f"skipped in CI: {name}" for name in self.skipped]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.faults(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("tiers")
        for tier, meaning in TIERS.items():
            counts = " ".join(
                f"{self.outcomes[tier][kind]:5} {kind}" for kind in ("passed", "failed", "skipped")
            )
            terminalreporter.line(f"{tier:8}{counts} {self.seconds[tier]:8.1f} s   {meaning}")
        for fault in self.faults(terminalreporter.config):
            terminalreporter.line(f"FAILED {fault}", red=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # A test that logs half a character must not end the process that runs it, when it tells the first one.
    report.sections = [(title, text.encode(errors="replace").decode()) for title, text in report.sections]
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--blender",
        action="append",
        metavar="VERSION",
        help="test the add-on in this version of Blender, such as 4.5, instead of the usual ones; repeatable",
    )
    parser.addoption(
        "--full-drills",
        action="store_true",
        help="run the drills (kills, floods, soaks) at full size: minutes instead of seconds",
    )
    parser.addoption(
        "--every-client",
        action="store_true",
        help="drive the daemon with the clients of ComfyUI's API that are large or need Node.js, too",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # with several processes, the first one hears of all tests
        config.pluginmanager.register(TierReport(), "tier-report")
