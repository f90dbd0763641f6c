"""Attacks on the record and honest accidents, each by name, and what a verifier says of them."""
