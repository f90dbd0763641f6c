"""Benchmarks. Each prints JSON lines; ratios compare with what a user would pick instead."""
