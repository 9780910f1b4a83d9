"""`make bench`: every benchmark that needs nothing but this machine, one after the other, each in its own process.

Run one alone with `python -m tests.benchmarks.NAME`; its first lines say what it measures and what else it can.
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (  # module and arguments, from quick to slow
    ("open_files",),
    ("check_street2shop",),
    ("crop",),
    ("embed",),
    ("train",),
    ("search", "build/benchmarks"),
    ("command", "build/benchmarks"),
    ("reranking", "compare"),
    ("reranking", "growth"),
)


def main() -> None:
    failed = []
    for name, *arguments in BENCHMARKS:
        print(f"\n== {name} {' '.join(arguments)}", flush=True)
        if subprocess.call([sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]):
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
