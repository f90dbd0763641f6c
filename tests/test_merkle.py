"""Trees of RFC 6962: vectors of Certificate Transparency, a tree that is not ours, and proofs."""

from __future__ import annotations

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locard.evidence.bundle import standalone
from locard.evidence.merkle import (
    EMPTY_ROOT,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    nodes_of,
    root,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The reference entries and roots of google/certificate-transparency, merkle_tree_test.cc.
ENTRIES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
sizes = st.integers(1, 200)


def leaves(count: int) -> list[bytes]:
    """Return the hashes of so many leaves."""
    return [leaf_hash(b"entry %d" % number) for number in range(count)]


def test_roots_are_those_of_certificate_transparency():
    """Of each size up to eight, in all three ways that we compute one, and of no leaf at all."""
    for size, expected in enumerate(ROOTS, 1):
        assert root_of(LEAVES[:size]).hex() == expected
        assert root(size, nodes_of(LEAVES[:size])).hex() == expected
        assert standalone.root_of(LEAVES[:size]).hex() == expected
    assert root_of([]) == EMPTY_ROOT == standalone.root_of([]) == root(0, nodes_of([]))


@given(sizes, st.data())
def test_another_implementation_has_the_same_tree_and_proofs(size, data):
    """`pymerkle` comes to the same roots, and to the same hashes in its proofs."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(size):
        tree.append_entry(b"entry %d" % number)
    ours = leaves(size)
    assert tree.get_root() == root_of(ours)
    old = data.draw(st.integers(1, size))
    assert tree.get_root(old) == root_of(ours[:old])
    index = data.draw(st.integers(0, size - 1))
    theirs = tree.prove_inclusion(index + 1, size)
    proof = inclusion_proof(index, size, nodes_of(ours))
    assert {*theirs.path} == {ours[index], *proof}
    pymerkle.verify_inclusion(ours[index], root_of(ours), theirs)
    theirs = tree.prove_consistency(old, size)
    pymerkle.verify_consistency(root_of(ours[:old]), root_of(ours), theirs)


@given(sizes, st.data())
def test_a_leaf_is_proved_where_it_is_and_nowhere_else(size, data):
    ours = leaves(size)
    nodes, whole = nodes_of(ours), root_of(ours)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes)
    verify_inclusion(ours[index], index, size, proof, whole)
    assert standalone.root_by_proof(ours[index], index, size, proof) == whole
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index or size == 1))
    if other != index:
        with pytest.raises(ProofError):
            verify_inclusion(ours[index], other, size, proof, whole)
    with pytest.raises(ProofError):
        verify_inclusion(leaf_hash(b"another"), index, size, proof, whole)


@given(sizes, st.data())
def test_a_tree_is_proved_to_continue_those_that_it_began_as(size, data):
    ours = leaves(size)
    old = data.draw(st.integers(0, size))
    proof = consistency_proof(old, size, nodes_of(ours))
    verify_consistency(old, size, proof, root_of(ours[:old]), root_of(ours))
    if 0 < old < size:
        with pytest.raises(ProofError):
            verify_consistency(old, size, proof, leaf_hash(b"another"), root_of(ours))
        changed = data.draw(st.integers(0, len(proof) - 1))
        broken = [*proof[:changed], bytes(32), *proof[changed + 1 :]]
        with pytest.raises(ProofError):
            verify_consistency(old, size, broken, root_of(ours[:old]), root_of(ours))


@given(sizes, st.data())
def test_a_proof_that_is_too_long_or_too_short_proves_nothing(size, data):
    ours = leaves(size)
    nodes, whole = nodes_of(ours), root_of(ours)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes)
    with pytest.raises(ProofError, match="longer"):
        verify_inclusion(ours[index], index, size, [*proof, bytes(32)], whole)
    if proof:
        with pytest.raises(ProofError):
            verify_inclusion(ours[index], index, size, proof[:-1], whole)


@pytest.mark.parametrize(("index", "size"), [(8, 8), (-1, 8), (0, 0), (1 << 70, 8)])
def test_there_is_no_leaf_beyond_the_tree(index, size):
    with pytest.raises(ProofError, match="has no leaf"):
        verify_inclusion(LEAVES[0], index, size, [], root_of(LEAVES))
    with pytest.raises(ProofError, match="has no leaf"):
        inclusion_proof(index, size, nodes_of(LEAVES))


def test_every_tree_continues_the_empty_one_and_itself():
    """Of size 0 there is nothing to prove; of the same size only the root has to be the same."""
    verify_consistency(0, 8, [], EMPTY_ROOT, root_of(LEAVES))
    verify_consistency(8, 8, [], root_of(LEAVES), root_of(LEAVES))
    for old, proof, first in ((0, [bytes(32)], EMPTY_ROOT), (8, [], bytes(32)), (0, [], bytes(32))):
        with pytest.raises(ProofError):
            verify_consistency(old, 8, proof, first, root_of(LEAVES))
    with pytest.raises(ProofError):
        verify_consistency(9, 8, [], root_of(LEAVES), root_of(LEAVES))
    with pytest.raises(ProofError):
        verify_consistency(3, 8, [], root_of(LEAVES[:3]), root_of(LEAVES))
