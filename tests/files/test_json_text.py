"""JSON of bounded length and depth."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashret.errors import FashretError
from fashret.files import json_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (b"\xff\xfe\xfd", "is not JSON"),
        ("1" * 5000, "is not JSON"),
        ("[" * 33 + "]" * 33, "more than 32 levels"),
        ('{"a":' * 40 + "1" + "}" * 40, "more than 32 levels"),
        ("[" * 100_000 + "]" * 100_000, "more than 32 levels"),
    ],
)
def test_what_is_no_value_of_bounded_depth_is_one_line(text: str | bytes, said: str) -> None:
    with pytest.raises(FashretError, match=f"^x: .*{said}") as caught:
        json_text.parse(text, "x:")
    assert "\n" not in str(caught.value)


def test_depth_and_length_up_to_the_limit_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[" * json_text.DEEPEST + "]" * json_text.DEEPEST
    assert json_text.depth(json_text.parse(text, "x:")) == json_text.DEEPEST
    monkeypatch.setattr(json_text, "LONGEST", 5)
    assert json_text.parse("[1,2]", "x") == [1, 2]
    with pytest.raises(FashretError, match="x: has more than 5 bytes of JSON"):
        json_text.parse("[1, 2]", "x:")


def test_a_long_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"[1]")
    assert json_text.read(path) == [1]
    monkeypatch.setattr(json_text, "LONGEST", 5)
    os.truncate(path, 1 << 40)
    with pytest.raises(FashretError, match="has more than 5 bytes of JSON"):
        json_text.read(path)
