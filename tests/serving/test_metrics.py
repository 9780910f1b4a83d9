"""Counters as Prometheus reads them."""

from __future__ import annotations

from fashret.serving.metrics import Metrics


def test_text() -> None:
    metrics = Metrics()
    metrics.add("fashret_requests_total", route="/", status="200")
    metrics.add("fashret_requests_total", 2, route="/", status="200")
    metrics.set("fashret_catalogue_rows", 7)
    metrics.took("embed", 0.02)
    metrics.took("embed", 90)
    lines = metrics.text().splitlines()
    assert 'fashret_requests_total{route="/",status="200"} 3' in lines
    assert "fashret_catalogue_rows 7" in lines and "# TYPE fashret_catalogue_rows gauge" in lines
    assert 'fashret_seconds_bucket{step="embed",le="0.01"} 0' in lines
    assert 'fashret_seconds_bucket{step="embed",le="0.025"} 1' in lines
    assert 'fashret_seconds_bucket{step="embed",le="+Inf"} 2' in lines
    assert 'fashret_seconds_count{step="embed"} 2' in lines and 'fashret_seconds_sum{step="embed"} 90.020000' in lines


def test_labels_are_escaped() -> None:
    metrics = Metrics()
    metrics.add("fashret_refused_total", reason='a"\\\nb')
    assert r'{reason="a\"\\\nb"} 1' in metrics.text()
