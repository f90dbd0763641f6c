"""Anchors: what makes others able to tell that a log was cut or written anew.

Witnesses cosign checkpoints, authorities stamp the time on them, and copies go where nobody can
change them. All of them are reached over the network, or another disk, only where configured.
"""
