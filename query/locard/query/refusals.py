"""What DuckDB says of a statement that failed, in one line and without what was read.

An error about the statement itself (a name that does not exist, a slip in the grammar) is told as
DuckDB tells it, with its hint. An error that came up over a value may quote it, so it is told in
our words, with the column and type at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from locard.query.inert import one_line
from locard.schema import CannotContinue

_LONGEST: Final = 300
_ABOUT_THE_STATEMENT: Final = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)
_POINTER: Final = re.compile(r"\n\nLINE \d+:.*", re.DOTALL)
_TYPE: Final = re.compile(r"\bto ([A-Z][A-Z0-9_]*(?:\([0-9, ]*\))?)(?= when |$)")
_COLUMN: Final = re.compile(r"when casting from source column (\w+)$")
_KNOWN: Final = (
    ("Malformed JSON", "a text is no JSON; use json_valid() to leave such out"),
    ("More than one row returned", "a subquery in an expression has several rows; add LIMIT 1"),
    ("Values were not provided", "it has parameters such as $1; write the values themselves"),
)
_TOO_LARGE: Final = "it needs more memory than there is; ask for fewer columns or a shorter time"
FILE_TROUBLE: Final = (
    "a file of the lake is missing or cannot be read; ask again, since it may have been rewritten "
    "meanwhile, then restore it from a copy"
)
_WORDS: Final = (
    (duckdb.OutOfRangeException, "a number is out of range; use a wider type"),
    (duckdb.OutOfMemoryException, _TOO_LARGE),
    (duckdb.PermissionException, "it may read the lake's views and nothing else of this machine"),
    (duckdb.IOException, FILE_TROUBLE),
    (duckdb.NotImplementedException, "DuckDB cannot do this with such values; convert them first"),
    (duckdb.InterruptException, "it was interrupted"),
)


@contextmanager
def errors_told() -> Iterator[None]:
    """Turn what DuckDB raises over a statement into one line.

    Raises:
        CannotContinue: with what is wrong and what to do, and without what was read.
    """
    try:
        yield
    except duckdb.Error as error:
        raise CannotContinue(f"the statement failed: {in_one_line(error)}") from error


def in_one_line(error: duckdb.Error) -> str:
    """Return what is wrong and what to do, in one inert line."""
    text = _POINTER.sub("", str(error)).strip()
    if isinstance(error, _ABOUT_THE_STATEMENT):
        line = one_line(" ".join(text.split()))
        return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    for words, told in _KNOWN:
        if words in text:
            return told
    if isinstance(error, duckdb.ConversionException):
        return _conversion(text)
    for kind, told in _WORDS:
        if isinstance(error, kind):
            return told
    return f"a value is not what a function needs ({type(error).__name__}); filter such rows out"


def _conversion(text: str) -> str:
    """Tell from which column and to which type, which stand at the end, after the value."""
    column, kind = _COLUMN.search(text), _TYPE.search(text)
    source = f" of column {column[1]}" if column else ""
    target = f" to {kind[1]}" if kind else ""
    return f"a value{source} cannot be converted{target}; use TRY_CAST, which gives NULL instead"
