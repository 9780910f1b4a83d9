"""The commands, one module each: files in, one file out, a summary returned.

The pipeline runs through files, so a stage imports no other; only `evaluate` runs `search` and `rerank` for those who
give it embeddings.
"""

from __future__ import annotations

import os
import sys


def wait_passively() -> None:
    """Let torch's idle threads sleep, if torch is not loaded yet: spinning, they would take cores from compiled loops.

    (Networks are not run this way: their many small products lose a third of their speed by it.)
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
