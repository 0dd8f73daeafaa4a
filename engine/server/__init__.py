"""The engine as a process that other programs talk to over its pipes (docs/protocol.md).

Two processes: the *serving* one talks to the client and never computes, so that it answers at once whatever is going
on; the *worker* is its child, holds the models and works on one request at a time (:mod:`engine.server.cancel` says
why).

    client ⇄ framing ⇄ dispatch ⇄ worker process ⇄ handlers ⇄ engine.search …
"""
