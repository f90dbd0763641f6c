"""The views `gaps` and `streams`: what collectors numbered, held against what is in the lake.

Both stand on `lake_rows`, not on `events`: the copy of an event that another collector numbered is
no event of its own, and still that number has arrived.

A stream belongs to who sent it. A collector names itself, so anybody can use the name of another;
the principal is what the collector API saw. So nothing that one sender says changes what is told of
another's stream: a lie stands in the liar's own, under its name.
"""

from __future__ import annotations

from typing import Final

from locard.query.view import View

# Every number stands on one line for each stream, and each layer (in the lake, doubled, accounted
# for, declared as dropped) is a set of ranges on it that do not overlap. Sorting their ends and
# adding up which layers are open gives the stretches between two ends, each with one answer. So no
# statement makes more work than its own length. Of the numbers in the lake most come in blocks of
# which none is missing and none twice, and those are ranges already; only the others are sorted. A
# filter on the collector reaches the files through all of it: a part that is used twice is told to
# be no table of its own, and what is compared with it is an equation.
_BLOCK: Final = 4096  # numbers


def gaps_of(rows: str, stated: str, block: int = _BLOCK) -> str:
    """Return a statement for the rows of `gaps` of some numbers.

    Args:
        rows: a statement for the rows whose numbers count, as `numbered` makes it.
        stated: a condition on the rows whose statements count.
        block: how many numbers are looked at as one, a power of 2.
    """
    within = f"(seq & {block - 1})"
    named = "collector_id, incarnation, principal"
    return f"""
    WITH blocks AS NOT MATERIALIZED (
        SELECT {named}, seq - {within} AS block,
            count(*) = {block} AND bit_count(bitstring_agg({within}, 0, {block - 1})) = {block}
                AS is_full
        FROM ({rows})
        GROUP BY ALL
    ), numbered AS (
        SELECT one.collector_id, one.incarnation, one.principal, one.seq,
            min(event_id) <> max(event_id) AS is_doubled
        FROM (SELECT *, seq - {within} AS block FROM ({rows})) AS one
        JOIN (FROM blocks WHERE NOT is_full) AS other ON one.collector_id = other.collector_id
            AND one.block = other.block
            AND one.incarnation IS NOT DISTINCT FROM other.incarnation
            AND one.principal IS NOT DISTINCT FROM other.principal
        GROUP BY ALL
    ), islands AS (
        SELECT collector_id, incarnation, principal, is_doubled,
            min(seq) AS first_seq, max(seq) AS last_seq
        FROM (
            SELECT *, seq - row_number() OVER (
                PARTITION BY collector_id, incarnation, principal, is_doubled ORDER BY seq
            ) AS island
            FROM numbered
        )
        GROUP BY collector_id, incarnation, principal, is_doubled, island
        UNION ALL BY NAME
        SELECT {named}, false AS is_doubled, block AS first_seq, block + {block - 1} AS last_seq
        FROM blocks WHERE is_full
    ), claims AS (
        SELECT collector_id, principal, unnest([
            {{'layer': 'accounted', 'incarnation': incarnation, 'first_seq': 0::BIGINT,
                'last_seq': greatest(
                    seq, CASE WHEN coalesce(first_seq, 0) <= last_seq THEN last_seq END
                ), 'reason': NULL::VARCHAR}},
            {{'layer': 'known', 'incarnation': follows, 'first_seq': 0,
                'last_seq': if(follows IS NULL, -1, 0), 'reason': NULL}}
        ] || list_transform(coalesce(json_extract(drops, '$[*]'), []), lambda entry: {{
            'layer': if(principal_verified, 'verified', 'unverified'),
            'incarnation': coalesce(entry ->> '$.incarnation', incarnation),
            'first_seq': try_cast(entry ->> '$.first_seq' AS BIGINT),
            'last_seq': try_cast(entry ->> '$.last_seq' AS BIGINT),
            'reason': entry ->> '$.reason'
        }}), recursive := true)
        FROM lake_rows
        WHERE kind = 'accounting' AND {stated}
    ), layers AS (
        SELECT collector_id, incarnation, principal, first_seq, last_seq, NULL AS reason,
            unnest(if(is_doubled, ['present', 'doubled'], ['present'])) AS layer
        FROM islands
        UNION ALL BY NAME
        SELECT * REPLACE (greatest(first_seq, coalesce(told_to + 1, 0)) AS first_seq)
        FROM (
            SELECT *, max(last_seq) OVER (
                PARTITION BY collector_id, incarnation, principal, layer
                ORDER BY first_seq, last_seq DESC, reason
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS told_to
            FROM claims WHERE first_seq <= last_seq
        )
        WHERE told_to IS NULL OR last_seq > told_to
    ), ends AS (
        SELECT collector_id, incarnation, principal, layer, unnest([
            {{'seq': first_seq, 'step': 1, 'reason': reason}},
            {{'seq': last_seq + 1, 'step': -1, 'reason': NULL}},
            {{'seq': 0, 'step': 0, 'reason': NULL}}
        ], recursive := true)
        FROM layers
    ), stretches AS (
        SELECT collector_id, incarnation, principal, seq AS first_seq,
            lead(seq) OVER stream - 1 AS last_seq,
            sum(present) OVER stream > 0 AS is_present,
            sum(doubled) OVER stream > 0 AS is_doubled,
            sum(accounted) OVER stream > 0 AS is_accounted,
            sum(verified) OVER stream > 0 AS is_verified,
            sum(unverified) OVER stream > 0 AS is_unverified,
            last_value(verified_reason IGNORE NULLS) OVER stream AS verified_reason,
            last_value(unverified_reason IGNORE NULLS) OVER stream AS unverified_reason
        FROM (
            SELECT collector_id, incarnation, principal, seq,
                coalesce(sum(step) FILTER (layer = 'present'), 0) AS present,
                coalesce(sum(step) FILTER (layer = 'doubled'), 0) AS doubled,
                coalesce(sum(step) FILTER (layer = 'accounted'), 0) AS accounted,
                coalesce(sum(step) FILTER (layer = 'verified'), 0) AS verified,
                coalesce(sum(step) FILTER (layer = 'unverified'), 0) AS unverified,
                max(reason) FILTER (layer = 'verified') AS verified_reason,
                max(reason) FILTER (layer = 'unverified') AS unverified_reason
            FROM ends GROUP BY ALL
        )
        WINDOW stream AS (
            PARTITION BY collector_id, incarnation, principal ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    ), told AS (
        SELECT collector_id, incarnation, principal, first_seq, last_seq,
            CASE
                WHEN is_doubled THEN 'doubled'
                WHEN is_present AND NOT is_accounted THEN 'unaccounted'
                WHEN is_present THEN NULL
                WHEN is_verified OR is_unverified THEN 'dropped'
                ELSE 'missing'
            END AS what,
            CASE WHEN what = 'dropped'
                THEN if(is_verified, verified_reason, unverified_reason) END AS drop_reason,
            CASE WHEN what = 'dropped' THEN is_verified END AS verified
        FROM stretches WHERE first_seq <= last_seq
    ), changes AS (
        SELECT *, (what, drop_reason, verified) IS DISTINCT FROM lag(
            (what, drop_reason, verified)
        ) OVER (PARTITION BY collector_id, incarnation, principal ORDER BY first_seq) AS is_change
        FROM told
    ), merged AS (
        SELECT *, sum(is_change::INTEGER) OVER (
            PARTITION BY collector_id, incarnation, principal ORDER BY first_seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS nth
        FROM changes
    )
    SELECT collector_id, incarnation, principal,
        min(first_seq) AS first_seq, max(last_seq) AS last_seq,
        max(last_seq) - min(first_seq) + 1 AS count, what, drop_reason, verified
    FROM merged WHERE what IS NOT NULL
    GROUP BY collector_id, incarnation, principal, nth, what, drop_reason, verified
    """  # noqa: S608 - made of constants and of conditions with parameters


def numbered(condition: str) -> str:
    """Return a statement for what `gaps` needs of some rows that a collector numbered."""
    return f"""
        SELECT collector_id, incarnation, principal, seq, event_id FROM lake_rows
        WHERE {condition}"""  # noqa: S608 - made of constants and of conditions with parameters


NUMBERED: Final = "collector_id IS NOT NULL AND seq IS NOT NULL"
"""Of a row that a collector numbered."""
GAPS: Final = View(
    "gaps",
    "One range of numbers of one stream that the lake does not have, or has twice, or that no "
    "statement speaks for yet. What left the event log unread is missing here like anything else: "
    "that it did, only the manifests of segments tell.",
    gaps_of(numbered(NUMBERED), NUMBERED),
    {
        "principal": "who sent the stream",
        "count": "how many numbers the range has",
        "what": (
            "`missing`: below a number that is known, and not here; `doubled`: different events "
            "have it; `dropped`: declared as never sent, and not here; `unaccounted`: here, and no "
            "statement speaks for it yet, which is no fault"
        ),
        "drop_reason": "of `dropped`: why, as the collector declared it",
        "verified": "of `dropped`: whether the collector API knew the key of the statement",
    },
)

STREAMS: Final = View(
    "streams",
    "One stream: one run of one collector, as one sender sent it, and what became of its numbers.",
    """
    WITH seen AS (
        SELECT collector_id, incarnation, principal,
            coalesce(bool_or(principal_verified), false) AS principal_verified,
            arg_min(workflow_id, (seq, event_id)) AS workflow_id,
            arg_min(agent_name, (seq, event_id)) AS agent_name,
            min(occurred_at) AS first_at,
            max(occurred_at) AS last_at,
            count(DISTINCT seq) AS events,
            max(seq) AS highest_seq,
            max(greatest(seq, CASE WHEN coalesce(first_seq, 0) <= last_seq THEN last_seq END))
                FILTER (kind = 'accounting') AS accounted_to,
            CASE
                WHEN bool_or(statement = 'crash') THEN 'crashed'
                WHEN bool_or(statement = 'close') THEN 'closed'
                WHEN bool_or(kind = 'accounting') THEN 'open'
                ELSE 'silent'
            END AS state,
            arg_min(follows, (seq, event_id)) AS follows,
            arg_max(signing_key_id, (seq, event_id)) AS signing_key_id,
            count(DISTINCT event_id) FILTER (kind = 'accounting') AS statements,
            count(DISTINCT event_id) FILTER (kind = 'accounting' AND principal_verified)
                AS verified_statements
        FROM lake_rows WHERE collector_id IS NOT NULL AND seq IS NOT NULL
        GROUP BY ALL
    ), counted AS (
        SELECT collector_id, incarnation, principal,
            coalesce(sum(count) FILTER (what = 'missing'), 0)::BIGINT AS missing,
            coalesce(sum(count) FILTER (what = 'doubled'), 0)::BIGINT AS doubled,
            coalesce(sum(count) FILTER (what = 'dropped'), 0)::BIGINT AS dropped,
            coalesce(sum(count) FILTER (what = 'dropped' AND NOT verified), 0)::BIGINT
                AS unverified_drops,
            coalesce(sum(count) FILTER (what = 'unaccounted'), 0)::BIGINT AS unaccounted
        FROM gaps GROUP BY ALL
    )
    SELECT coalesce(seen.collector_id, counted.collector_id) AS collector_id,
        coalesce(seen.incarnation, counted.incarnation) AS incarnation,
        coalesce(seen.principal, counted.principal) AS principal,
        coalesce(principal_verified, false) AS principal_verified,
        seen.* EXCLUDE (collector_id, incarnation, principal, principal_verified, events, state,
            statements, verified_statements),
        coalesce(state, 'unseen') AS state,
        coalesce(events, 0) AS events,
        coalesce(statements, 0) AS statements,
        coalesce(verified_statements, 0) AS verified_statements,
        coalesce(missing, 0) AS missing,
        coalesce(doubled, 0) AS doubled,
        coalesce(dropped, 0) AS dropped,
        coalesce(unverified_drops, 0) AS unverified_drops,
        coalesce(unaccounted, 0) AS unaccounted
    FROM seen FULL JOIN counted ON seen.collector_id = counted.collector_id
        AND seen.incarnation IS NOT DISTINCT FROM counted.incarnation
        AND seen.principal IS NOT DISTINCT FROM counted.principal
    """,
    {
        "principal": "who sent it: two senders never share a stream, whatever they call themselves",
        "principal_verified": "whether the collector API knew the sender by a token of its own",
        "workflow_id": "the first that is named, as is `agent_name`",
        "events": "how many different numbers are in the lake",
        "accounted_to": "the last number that a statement speaks for, its own included",
        "state": (
            "`open`; `closed` or `crashed`, as a statement says (the worse counts); `silent`: it "
            "made none; `unseen`: only statements of other runs name it"
        ),
        "follows": "the run that ended badly before, as its own statements say",
        "signing_key_id": "of its last statement: what `locard identity key add` takes",
        "verified_statements": "those whose key the collector API knew",
        "missing": "numbers, as all counts here; see `gaps`",
        "unverified_drops": "those of `dropped` that no statement with a known key declares",
    },
)
