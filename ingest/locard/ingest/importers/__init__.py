"""Importers: records that somebody else wrote become events, the same ones each time."""
