"""Results on a terminal; `printed` is what is seen of one."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from fashret.terminal import render


def printed(result: Any, width: int = 80) -> str:
    """The text of a result, without colours, on a terminal of some width."""
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False, color_system=None)
    console.print(render(result, console))
    return console.file.getvalue()  # type: ignore[attr-defined]
