"""How running work is stopped, and why it runs in a process of its own.

Work asks whether it is cancelled between batches of tiles, hits, layers of a network and pieces of a download, and then
ends in order. But not all of what it calls can be asked: SAM looks at one tile for a minute on a CPU, a hub's client
waits for a server that is silent, a language model has 30 s to answer, and reading weights holds the interpreter's lock
for seconds. Python cannot end such a call from within: threads cannot be killed, and an exception that is set on one
waits for the call to return. So:

- The serving process does no work. It acknowledges a cancellation at once, whatever the worker does.
- The worker gets :data:`GRACE_SECONDS` to end the request in order. Then its process is killed and the request is
  answered; the next request starts a new one.

That costs loading the models again, and at most the last seconds of indexing: commits to an index are atomic, its lock
is released by the operating system, and result files are moved to their place whole. The alternative, a child for each
call that may not listen, would need the models in every such child, which is most of the memory and of the time.
"""

from __future__ import annotations

import threading

from engine.errors import Cancelled

GRACE_SECONDS = 5.0
"""For a cancelled request to end in order."""

END_SECONDS = 2.0
"""The same when the whole engine ends: nobody waits for the answer any more, only for the memory."""


class CancelFlag:
    """Whether the job that runs is to stop; set in one thread, asked in another.

    A cancellation names its job: one that comes when its job has just ended does not hit the next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._job: int | None = None
        self._cancelled: int | None = None
        self._ending = False

    def begin(self, job: int) -> None:
        """From now on it is about this job, which may have been cancelled before it began."""
        with self._lock:
            self._job = job

    def cancel(self, job: int) -> None:
        """Stop that job."""
        with self._lock:
            self._cancelled = job

    def cancel_all(self) -> None:
        """Stop whatever runs, now and later."""
        with self._lock:
            self._ending = True

    def requested(self) -> bool:
        """A :data:`engine.types.CancelCheck`."""
        with self._lock:
            return self._ending or (self._job is not None and self._cancelled == self._job)

    def check(self) -> None:
        """Raises Cancelled where it is requested."""
        if self.requested():
            raise Cancelled
