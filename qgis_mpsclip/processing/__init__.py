"""The Processing provider ``mpsclip``: index, search, batch search and a report on the engine (docs/processing.md)."""
