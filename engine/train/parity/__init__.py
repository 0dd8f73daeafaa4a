"""Parity: this project's models and losses against reference tensors that others computed."""
