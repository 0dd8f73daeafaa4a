"""Readers for the benchmarks that training and evaluation use; none of them ships with the project."""
