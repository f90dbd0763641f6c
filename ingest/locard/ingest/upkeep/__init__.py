"""Upkeep of the lake, while others read and write it: few files, sorted, and none too many.

Each step stands by itself and may be killed at any moment: what it wrote and did not commit is an
orphan that a later step removes.
"""

from locard.ingest.upkeep.emptying import CONTENT_COLUMNS, HAS_CONTENT, emptied
from locard.ingest.upkeep.live_files import LakeFile, live_files
from locard.ingest.upkeep.offsets import offset_ranges
from locard.ingest.upkeep.plan import DEFAULT_SIZES, FileSizes, Rewrite, parts, plan
from locard.ingest.upkeep.rewriting import READ, Change, Rewriter, Rewritten
from locard.ingest.upkeep.run import UpkeepReport, open_lake, optimize, upkeep
from locard.ingest.upkeep.space import vacuum
from locard.ingest.upkeep.stats import DayStats, LakeStats, lake_stats

__all__ = [
    "CONTENT_COLUMNS",
    "DEFAULT_SIZES",
    "HAS_CONTENT",
    "READ",
    "Change",
    "DayStats",
    "FileSizes",
    "LakeFile",
    "LakeStats",
    "Rewrite",
    "Rewriter",
    "Rewritten",
    "UpkeepReport",
    "emptied",
    "lake_stats",
    "live_files",
    "offset_ranges",
    "open_lake",
    "optimize",
    "parts",
    "plan",
    "upkeep",
    "vacuum",
]
