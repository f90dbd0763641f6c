"""A bundle taken apart, changed and put together again, by somebody who may even sign it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from attacks.installation import Installation
from locard.evidence.bundle import BundleOrder, Selection, make_bundle
from locard.evidence.bundle.rows import json_lines, parquet
from locard.schema import canonical_bytes


@dataclass
class Bundled:
    """The files of a bundle of a whole installation, which attacks on rows take for a lake."""

    one: Installation
    parts: dict[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, one: Installation, **order: Any) -> Bundled:
        selection = order.pop("selection", Selection())
        bundle = make_bundle(
            one.lake, BundleOrder(selection, "tester", **order), one.policy, one.keys.custody_key()
        )
        with zipfile.ZipFile(BytesIO(bundle.data)) as archive:
            return cls(one, {name: archive.read(name) for name in archive.namelist()})

    def copy(self) -> Bundled:
        return Bundled(self.one, dict(self.parts))

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.parts["manifest.json"])
        return found

    def segment_of(self, offset: int, partition: int) -> tuple[int, int]:
        """Return the first and the next offset of the segment that has this row."""
        for line in self.parts["entries.jsonl"].splitlines():
            entry = json.loads(json.loads(line)["entry"])
            if entry.get("partition") == partition and (
                entry["first_offset"] <= offset < entry["next_offset"]
            ):
                return entry["first_offset"], entry["next_offset"]
        raise LookupError(offset)

    def change_rows(
        self, change: Callable[[list[dict[str, Any]]], Any], offset: int = 0, partition: int = 0
    ) -> None:
        """Change the rows of one segment."""
        first, following = self.segment_of(offset, partition)
        table = pq.read_table(BytesIO(self.parts["rows.parquet"]))
        mine, others = [], []
        for row in table.to_pylist():
            is_mine = row["log_partition"] == partition and first <= row["log_offset"] < following
            (mine if is_mine else others).append(row)
        change(mine)
        changed = pa.Table.from_pylist([*others, *mine], schema=table.schema)
        self.parts["rows.parquet"] = parquet(changed)
        self.parts["rows.jsonl"] = json_lines(changed, self.manifest["withheld"])

    def change_row(self, offset: int, partition: int = 0, **columns: Any) -> None:
        """Change one row."""

        def change(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                if row["log_offset"] == offset:
                    row.update(
                        (name, value(row[name]) if callable(value) else value)
                        for name, value in columns.items()
                    )

        self.change_rows(change, offset, partition)

    def sign(self, **members: Any) -> None:
        """Make the manifest fit the files, and sign it, as only whoever makes bundles can."""
        names = sorted(name for name in self.parts if not name.startswith("manifest."))
        files = {name: sha256(self.parts[name]).hexdigest() for name in names}
        manifest = canonical_bytes({**self.manifest, "files": files, **members})
        key = self.one.keys.custody_key()
        self.parts["manifest.json"] = manifest
        self.parts["manifest.sig"] = canonical_bytes(
            {"key_id": key.key_id, "signature": key.sign(manifest)}
        )

    def write(self, path: Path) -> Path:
        """Write the bundle to a file and return its path."""
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self.parts.items():
                archive.writestr(name, data)
        return path
