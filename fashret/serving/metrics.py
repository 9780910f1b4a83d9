"""What the server counts, as the text that Prometheus reads.

In: requests, their statuses and the seconds of their steps. Out: text of format 0.0.4.
"""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
HELP = {
    "fashret_requests_total": ("counter", "Requests answered, by route and status"),
    "fashret_refused_total": ("counter", "Requests refused before they were looked at, by reason"),
    "fashret_seconds": ("histogram", "Seconds of each step of a request"),
    "fashret_batch_items_total": ("counter", "Items that went through in batches"),
    "fashret_batches_total": ("counter", "Batches"),
    "fashret_in_flight": ("gauge", "Requests being worked on"),
    "fashret_catalogue_rows": ("gauge", "Rows that are searched"),
    "fashret_catalogue_products": ("gauge", "Products that are searched"),
    "fashret_catalogue_changes_total": ("counter", "New files taken over, by result"),
}

Key = tuple[str, tuple[tuple[str, str], ...]]  # a name and its labels


class Metrics:
    """Counters, gauges and histograms; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[Key, float] = defaultdict(float)
        self._seconds: dict[str, list[float]] = defaultdict(lambda: [0.0] * (len(BUCKETS) + 2))

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter or gauge."""
        with self._lock:
            self._values[name, tuple(labels.items())] += amount

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name, ()] = value

    def took(self, step: str, seconds: float) -> None:
        """Note how long a step took."""
        with self._lock:
            found = self._seconds[step]
            for i, bound in enumerate(BUCKETS):
                found[i] += seconds <= bound
            found[-2] += 1
            found[-1] += seconds

    def text(self) -> str:
        """All of it, as Prometheus reads it."""
        with self._lock:
            lines: dict[str, list[str]] = defaultdict(list)
            for (name, labels), value in sorted(self._values.items()):
                lines[name].append(f"{name}{_labels(dict(labels))} {value:.12g}")
            for step, found in sorted(self._seconds.items()):
                name = "fashret_seconds"
                bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
                for bound, value in zip(bounds, found[:-1], strict=True):
                    lines[name].append(f"{name}_bucket{_labels({'step': step, 'le': bound})} {value:.12g}")
                lines[name].append(f"{name}_sum{_labels({'step': step})} {found[-1]:.6f}")
                lines[name].append(f"{name}_count{_labels({'step': step})} {found[-2]:.12g}")
        parts = [
            f"# HELP {name} {about}\n# TYPE {name} {kind}\n" + "".join(f"{line}\n" for line in lines[name])
            for name, (kind, about) in HELP.items()
            if name in lines
        ]
        return "".join(parts)


def _labels(labels: dict[str, str]) -> str:
    """Labels in braces, escaped.

    >>> _labels({"route": 'a"b'})
    '{route="a\\\\"b"}'
    """
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}" if labels else ""
