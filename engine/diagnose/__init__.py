"""Whether this installation works (``mpsclip doctor``).

The doctor must speak where everything else is broken: its modules need the standard library alone when they are
imported, and all that loads packages runs in a child process (:mod:`engine.diagnose.child`), whose crash is a finding.
"""
