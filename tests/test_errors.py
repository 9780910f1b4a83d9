"""Text from files cannot steer a terminal, and is otherwise left as it is."""

from __future__ import annotations

import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashret.console import log, set_verbosity
from fashret.errors import JOINERS, UNSEEN, FashretError, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("Mütze ½ 帽子 ✓ 👗", "Mütze ½ 帽子 ✓ 👗"),
        ("a\x1b[31mb\x1b[0m", r"a\x1b[31mb\x1b[0m"),
        ("two\nlines\r\tend", r"two\nlines\r\tend"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("\u2066a\u2069\u200b\u2028\x85\x9b", r"\u2066a\u2069\u200b\u2028\x85\x9b"),
        ("half \udcff", r"half \udcff"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("[bold]:smile:\\n", "[bold]:smile:\\n"),
    ],
)
def test_what_is_not_seen_is_escaped(text: str, seen: str) -> None:
    assert visible(text) == seen == visible(seen)
    assert str(FashretError(f"{text}: no such file")) == f"{seen}: no such file"


@given(st.text())
def test_any_text_is_one_line_that_is_seen(text: str) -> None:
    seen = visible(text)
    assert not {unicodedata.category(c) for c in seen if c not in JOINERS} & UNSEEN
    assert len(seen.splitlines()) <= 1 and visible(seen) == seen


def test_messages_are_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    before = log.handlers[:], log.propagate, log.level
    set_verbosity()
    try:
        log.warning("%s: unreadable", "a\x1b[2J\nERROR: forged")
        assert capsys.readouterr().err == "WARNING: a\\x1b[2J\\nERROR: forged: unreadable\n"
    finally:
        log.handlers[:], log.propagate = before[0], before[1]
        log.setLevel(before[2])
    assert logging.getLogger("fashret") is log
