"""What the doctor finds, one check at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        check: what was looked at.
        ok: whether it is as it should be; one finding that is not makes the installation a broken one.
        detail: what was seen, or what is wrong.
        remedy: what to do; always there where ``ok`` is false, and advice where it is true and this is not empty.
        seconds: how long the look took.
    """

    check: str
    ok: bool
    detail: str
    remedy: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What a look saw where nothing is wrong: in words, with advice where something could be better."""

    detail: str
    advice: str = ""
