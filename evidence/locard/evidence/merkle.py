"""Merkle trees of RFC 6962, section 2.1: roots, proofs, and their verification. Pure.

Proofs are made from the hashes of complete subtrees, wherever these are kept: `Nodes` is asked for
the one of 2^level leaves at a place. Checking a proof needs none of that, and follows RFC 9162,
sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

Nodes = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree of 2^level leaves with this index in its level."""

EMPTY_ROOT: Final = sha256(b"").digest()
HASH_BYTES: Final = 32
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class ProofError(ValueError):
    """A proof does not show what it is to show."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf that holds these bytes."""
    return sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two children."""
    return sha256(_NODE + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a tree over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        odd = level.pop() if len(level) % 2 else None
        pairs = iter(level)
        level = [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905
        if odd is not None:
            level.append(odd)
    return level[0]


def nodes_of(leaves: Sequence[bytes]) -> Nodes:
    """Return the complete subtrees over leaf hashes that are all at hand."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])
    return lambda level, index: levels[level][index]


def complete_subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that leaves `begin` to `end` consist of, as level and index.

    They come from left to right, each as large as it can be.
    """
    while begin < end:
        most = (end - begin).bit_length() - 1
        level = min((begin & -begin).bit_length() - 1, most) if begin else most
        yield level, begin >> level
        begin += 1 << level


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the tree over the first `size` leaves."""
    return _range_hash(0, size, nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that a leaf is in the tree of this size; RFC 6962, section 2.1.1.

    Raises:
        ProofError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    return _path(index, 0, size, nodes)


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that the tree of size `old` is where that of size `new` began.

    RFC 6962, section 2.1.2; of an empty tree there is nothing to prove.

    Raises:
        ProofError: the older one is the larger.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not begin with one of {old}")
    return _subproof(old, 0, new, True, nodes) if 0 < old < new else []


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """Return if the proof shows that a leaf is in the tree with this root.

    Args:
        leaf: its hash.

    Raises:
        ProofError: it does not.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    found = leaf
    for step, is_left in _climb(index, size - 1, proof):
        found = node_hash(step, found) if is_left else node_hash(found, step)
    if found != expected:
        raise ProofError("the proof leads to another root")


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return if the proof shows that the older tree is where the newer one began.

    Raises:
        ProofError: it does not.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        if proof:
            raise ProofError("the proof is longer than it can be")
        if old_root != (new_root if old else EMPTY_ROOT):
            raise ProofError("two trees of one size have different roots")
        return
    steps = list(proof)
    if not old & (old - 1):
        steps.insert(0, old_root)
    if not steps:
        raise ProofError("the proof is shorter than it can be")
    at, last = old - 1, new - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    of_old = of_new = steps[0]
    for step, is_left in _climb(at, last, steps[1:]):
        of_old = node_hash(step, of_old) if is_left else of_old
        of_new = node_hash(step, of_new) if is_left else node_hash(of_new, step)
    if of_old != old_root or of_new != new_root:
        raise ProofError("the newer tree does not begin with the older one")


def _climb(at: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each step of a proof from a node up, and whether it is the left one of its pair.

    Args:
        at: the node's index in its level.
        last: that of the level's last node.

    Raises:
        ProofError: the proof does not end at the root.
    """
    for step in proof:
        if not last:
            raise ProofError("the proof is longer than the tree is high")
        is_left = bool(at % 2) or at == last
        yield step, is_left
        while is_left and at and not at % 2:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is shorter than the tree is high")


def _range_hash(begin: int, end: int, nodes: Nodes) -> bytes:
    """Return the hash of the tree over leaves `begin` to `end`, as a subtree of the whole."""
    hashes = [nodes(level, index) for level, index in complete_subtrees(begin, end)]
    found = hashes.pop()
    while hashes:
        found = node_hash(hashes.pop(), found)
    return found


def _split(count: int) -> int:
    """Return the largest power of two below a number of leaves."""
    return 1 << ((count - 1).bit_length() - 1)


def _path(index: int, begin: int, end: int, nodes: Nodes) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_path(index, begin, middle, nodes), _range_hash(middle, end, nodes)]
    return [*_path(index, middle, end, nodes), _range_hash(begin, middle, nodes)]


def _subproof(old: int, begin: int, end: int, is_whole: bool, nodes: Nodes) -> list[bytes]:
    if old == end:
        return [] if is_whole else [_range_hash(begin, end, nodes)]
    middle = begin + _split(end - begin)
    if old <= middle:
        proof = _subproof(old, begin, middle, is_whole, nodes)
        return [*proof, _range_hash(middle, end, nodes)]
    proof = _subproof(old, middle, end, False, nodes)
    return [*proof, _range_hash(begin, middle, nodes)]
