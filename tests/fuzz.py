"""Fresh examples for the tests that draw theirs, round after round, until the minutes are over or one fails.

    python -m tests.fuzz [--minutes 5] [--seed N] [PATHS …]

In: the tests under PATHS that use hypothesis. Out: a line for each round with its seed; at the first failure, the
command that repeats it. The rounds share one process, which loads torch and compiles kernels once.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

import pytest

ALWAYS = ("-q", "-x", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-m", "hypothesis")


class Failed:
    """Pytest plugin: the test that failed and what was drawn for it."""

    def __init__(self) -> None:
        self.test, self.report = "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test, self.report = report.nodeid, report.longreprtext


def drawn(seed: int, paths: list[str]) -> Failed | None:
    """Run the tests on the examples of one seed; the failure, if there is one.

    Raises
    ------
    SystemExit
        Where pytest itself could not run, or there was nothing to run.
    """
    failed = Failed()
    code = pytest.main([*ALWAYS, "--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", *paths], plugins=[failed])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"pytest ended with {code!r}")
    return failed if failed.test else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw fresh examples until the minutes are over or a test fails.")
    parser.add_argument("--minutes", type=float, default=5, help="begin no round after so many (default: 5)")
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count up (default: a fresh one)")
    parser.add_argument("paths", nargs="*", default=["tests"], help="of tests (default: tests)")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    end, rounds = time.monotonic() + 60 * given.minutes, 0
    while not rounds or time.monotonic() < end:
        print(f"seed {seed}", flush=True)
        if failed := drawn(seed, given.paths):
            repeat = f"python -m pytest --hypothesis-profile=fuzz --hypothesis-seed={seed} '{failed.test}'"
            sys.exit(f"{failed.report}\n\nTo repeat it:\n{repeat}")
        seed, rounds = seed + 1, rounds + 1
    print(f"{rounds} rounds, no failure; the next seed is {seed}")


if __name__ == "__main__":
    main()
