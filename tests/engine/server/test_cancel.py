from __future__ import annotations

import pytest

from engine.errors import Cancelled
from engine.server.cancel import CancelFlag


def test_a_cancellation_hits_its_own_job_only() -> None:
    flag = CancelFlag()
    flag.begin(1)
    flag.cancel(1)
    assert flag.requested()
    with pytest.raises(Cancelled):
        flag.check()
    flag.begin(2)
    assert not flag.requested()
    flag.cancel(1)  # late
    assert not flag.requested()
    flag.check()


def test_a_job_may_be_cancelled_before_it_begins() -> None:
    flag = CancelFlag()
    flag.cancel(3)
    assert not flag.requested()
    flag.begin(3)
    assert flag.requested()


def test_the_end_stops_what_runs_and_what_comes() -> None:
    flag = CancelFlag()
    flag.begin(1)
    flag.cancel_all()
    assert flag.requested()
    flag.begin(2)
    assert flag.requested()
