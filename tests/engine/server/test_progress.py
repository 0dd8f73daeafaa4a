from __future__ import annotations

from engine.server.progress import ProgressMeter
from engine.types import Json, Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def meter() -> tuple[ProgressMeter, Clock, list[Json]]:
    told: list[Json] = []
    clock = Clock()
    return ProgressMeter(told.append, clock), clock, told


def test_at_most_ten_messages_a_second_with_the_first_and_the_last() -> None:
    tell, clock, told = meter()
    for done in range(1001):  # in one second
        clock.now = 100.0 + done / 1000
        tell(Progress("index", done, 1000, "a.tif"))
    assert [told[0]["done"], told[-1]["done"]] == [0, 1000]
    assert 10 <= len(told) <= 12


def test_rate_and_remaining_time_come_from_what_this_run_has_done() -> None:
    tell, clock, told = meter()
    for done in (500, 520, 540):  # 500 were there before
        tell(Progress("index", done, 600))
        clock.now += 1.0
    assert [message["rate"] for message in told] == [None, 20.0, 20.0]
    assert [message["remaining"] for message in told] == [None, 4.0, 3.0]


def test_rate_follows_a_change_of_speed() -> None:
    tell, clock, told = meter()
    for second in range(30):
        tell(Progress("index", 100 * second, 100_000))
        clock.now += 1.0
    done = 2900
    for _ in range(30):
        done += 10
        tell(Progress("index", done, 100_000))
        clock.now += 1.0
    assert told[-1]["rate"] == 10.0


def test_an_unknown_total_has_a_rate_and_no_remaining_time() -> None:
    tell, clock, told = meter()
    tell(Progress("download", 0, 0))
    clock.now += 2.0
    tell(Progress("download", 4000, 0))
    assert (told[-1]["rate"], told[-1]["remaining"]) == (2000.0, None)


def test_what_was_held_back_is_told_before_the_next_stage_and_at_the_end() -> None:
    tell, _, told = meter()
    tell(Progress("download", 1, 0))
    tell(Progress("download", 2, 0))
    tell(Progress("rank", 0, 2))
    tell(Progress("rank", 1, 2))
    tell.flush()
    assert [(message["stage"], message["done"]) for message in told] == [
        ("download", 1),
        ("download", 2),
        ("rank", 0),
        ("rank", 1),
    ]


def test_each_raster_has_its_own_first_message_and_rate() -> None:
    tell, _, told = meter()
    tell(Progress("index", 0, 10, "a.tif"))
    tell(Progress("index", 10, 10, "a.tif"))
    tell(Progress("index", 10, 10, "a.tif"))
    tell(Progress("index", 0, 10, "b.tif"))
    assert [(message["detail"], message["done"]) for message in told] == [("a.tif", 0), ("a.tif", 10), ("b.tif", 0)]
    assert told[-1]["rate"] is None
