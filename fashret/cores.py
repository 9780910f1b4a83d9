"""How many cores this process may use, and how many of them others leave free.

In: nothing but the machine. Out: numbers of cores.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

LOOKS, SECONDS_BETWEEN = 5, 0.01  # at what runs at this moment


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Of these, how many would be idle without this process; at least 1."""
    return max(1, min(cores(), round((os.cpu_count() or 1) - busy())))


def busy() -> float:
    """How many cores' worth of work other processes do: the lesser of the last minute's and of this moment's.

    The last minute alone would count what has just ended, such as the command before this one.
    """
    try:
        last_minute = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on this operating system
        return 0.0
    return min(last_minute, running_now(last_minute))


def running_now(unknown: float, loadavg: Path = Path("/proc/loadavg")) -> float:
    """Other processes that run or want to; `unknown` where the system does not tell."""
    seen = []
    for look in range(LOOKS):
        if look:
            time.sleep(SECONDS_BETWEEN)
        try:
            seen.append(int(loadavg.read_text(encoding="ascii").split()[3].partition("/")[0]) - 1)  # without this one
        except (OSError, ValueError, IndexError):
            return unknown
    return float(median(seen))
