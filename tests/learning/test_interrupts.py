"""Signals that wait: the first is held until it is released, the second acts at once."""

from __future__ import annotations

import signal
import threading

import pytest

from fashret.learning.interrupts import SIGNALS, Held


class Acted(BaseException):
    """What the handlers of these tests do with a signal."""


@pytest.fixture(autouse=True)
def handlers():
    """Handlers that raise `Acted` with the signal's number."""

    def act(number: int, frame: object) -> None:
        raise Acted(number)

    before = {number: signal.signal(number, act) for number in SIGNALS}
    yield {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("sent", SIGNALS)
def test_the_first_signal_waits_until_it_is_released(sent: signal.Signals, caplog: pytest.LogCaptureFixture) -> None:
    with Held("this step") as held:
        assert held.caught is None
        signal.raise_signal(sent)
        assert held.caught == sent and "stopping after this step; once more to stop at once" in caplog.text
        with pytest.raises(Acted) as acted:
            held.release()
        assert acted.value.args == (sent,)


def test_the_second_signal_acts_at_once() -> None:
    with Held("this step") as held:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Acted) as acted:
            signal.raise_signal(signal.SIGTERM)
        assert held.caught == signal.SIGINT and acted.value.args == (signal.SIGINT,)  # the first one is the reason


def test_handlers_are_put_back_whatever_happens(handlers: dict[int, object]) -> None:
    with Held("this step"):
        assert all(signal.getsignal(number) is not handlers[number] for number in SIGNALS)
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers
    with pytest.raises(ZeroDivisionError), Held("this step"):
        _ = 1 / 0
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


def test_without_a_signal_nothing_is_released() -> None:
    with Held("this step") as held:
        held.release()
    assert held.caught is None


def test_inactive_it_lets_signals_act() -> None:
    with Held("this step", active=False) as held, pytest.raises(Acted):
        signal.raise_signal(signal.SIGINT)
    assert held.caught is None


def test_outside_of_the_main_thread_handlers_stay(handlers: dict[int, object]) -> None:
    seen: list[object] = []

    def work() -> None:
        with Held("this step"):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handlers[signal.SIGINT]]
