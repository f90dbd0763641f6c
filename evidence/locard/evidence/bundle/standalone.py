#!/usr/bin/env python3
"""Verify an evidence bundle of Locard with nothing but Python 3.9 or newer.

    python3 verify.py BUNDLE.zip [--log-key VKEY]... [--custody-key KEY]... [--json]

Without keys those in the bundle are believed: then it says whether the bundle is whole in itself,
and not whose it is. Get the keys from somebody whom you trust, and name them.

Exit status 0: whole. 1: something is not what was sealed. 2: it could not be checked.

This file shares no code with the program that wrote the bundle. What it does is described in
`format.md` of the project: the numbers in brackets are its sections.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile

LAWFUL = {"OK", "ERASED", "EXPIRED", "WITHHELD", "DECLARED_LOSS"}
# [3] Columns that hold JSON text; those that hold content; those that the record covers.
JSON_TEXT = frozenset(
    "absent arguments attributes content drops evidence extensions history messages parameters "
    "redaction result targets tool_definitions".split()
)
CONTENT = frozenset(
    "arguments attributes content error_message extensions messages on_behalf_of parameters "
    "purpose query rationale reason requester result targets title tool_definitions uri".split()
)
RECORDED = frozenset(
    "ingested_at principal principal_verified log_topic_id log_partition log_offset redaction "
    "evidence".split()
)
HASH, NAMES = "[0-9a-f]{64}", '"[a-z_]{1,40}"'
ENTRY = (
    NAMES + r':\{("salt":"[0-9a-f]{32}"(,"source":"HASH")?|("redacted":"HASH",)?"source":"HASH")\}'
).replace("HASH", HASH)
EVIDENCE = re.compile(
    r'\{"fields":\{(ENTRY(,ENTRY)*)?\}(,"sealed_by":"consumer")?(,"stamped":\[NAME(,NAME)*\])?\}'.replace(
        "ENTRY", ENTRY
    ).replace("NAME", NAMES)
)
REASONS = {"erased": "ERASED", "expired": "EXPIRED"}
ACTIONS = {"erasure": "ERASED", "expiry": "EXPIRED"}


class Broken(Exception):
    """Something is not what it has to be."""


def sha(data):
    return hashlib.sha256(data).digest()


def decoded(text):
    """base64url without padding, in its one form."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encoded(data) != text:
        raise Broken("base64url in another form than its one")
    return data


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- Ed25519, RFC 8032 section 5.1 -------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recovered_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (not x and sign):
        return None
    return P - x if x & 1 != sign else x


def point(data):
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    x = recovered_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def added(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    m, n = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, base):
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = added(found, base)
        base = added(base, base)
        number >>= 1
    return found


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recovered_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def is_signature(public, signature, message):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    left, right = times(s, BASE), added(r, times(h, a))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % P
        or (left[1] * right[2] - right[1] * left[2]) % P
    )


# --- RFC 6962 section 2.1 ----------------------------------------------------------------------


def node(left, right):
    return sha(b"\x01" + left + right)


def root_of(leaves):
    if not leaves:
        return sha(b"")
    level = list(leaves)
    while len(level) > 1:
        pairs = [node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def root_by_proof(leaf, index, size, proof):
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Broken("a proof is for a leaf that the tree has not")
    at, last, found = index, size - 1, leaf
    for step in proof:
        if not last:
            raise Broken("a proof is longer than the tree is high")
        if at % 2 or at == last:
            found = node(step, found)
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, step)
        at, last = at >> 1, last >> 1
    if last:
        raise Broken("a proof is shorter than the tree is high")
    return found


# --- JSON, RFC 8785 as far as the format needs it ----------------------------------------------


class Number(str):
    """A number with a point, as it was written."""


def parsed(text):
    def unique(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Broken("a key is there twice")
        return found

    return json.loads(text, object_pairs_hook=unique, parse_float=Number)


def written(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(written(k) + ":" + written(value[k]) for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def column(name, value):
    return value if name in JSON_TEXT else written(value)


# --- Rows ---------------------------------------------------------------------------------------


def row_leaf(row):
    """[3] The leaf of a row, and which of its content fields are gone."""
    told = parsed(row["evidence"])
    if written(told) != row["evidence"] or not EVIDENCE.fullmatch(row["evidence"]):
        raise Broken("the evidence is in another form than its one")
    if told.get("stamped", []) != sorted(set(told.get("stamped", ()))):
        raise Broken("what was stamped is not in its order")
    sources, changed, gone = {}, {}, []
    for name, entry in told["fields"].items():
        if row.get(name) is None:
            gone.append(name)
            sources[name] = entry["source"]
            if "redacted" in entry:
                changed[name] = entry["redacted"]
            continue
        salt = bytes.fromhex(entry["salt"])
        preimage = b"locard-commitment/1\0" + salt + name.encode() + b"\0"
        found = sha(preimage + column(name, row[name]).encode()).hex()
        sources[name] = entry.get("source", found)
        if "source" in entry:
            changed[name] = found
    if {name for name in CONTENT if row.get(name) is not None} - told["fields"].keys():
        raise Broken("a content field has a value that nothing vouches for")
    core = {
        name: value
        for name, value in row.items()
        if name not in CONTENT | RECORDED | {"withheld", "absent"} and value is not None
    }
    absent = {} if row.get("absent") is None else parsed(row["absent"])
    if row.get("absent") is not None and written(absent) != row["absent"]:
        raise Broken("`absent` is in another form than its one")
    at_source = {name: why for name, why in absent.items() if name not in told["fields"]}
    if at_source:
        core["absent"] = written(at_source)
    stamped = {name: core.pop(name) for name in told.get("stamped", ()) if name in core}
    digest = sha(
        b'{"commitments":%b,"core":%b,"format":"locard-event/1"}'
        % (written(sources).encode(), members(core))
    )
    record = {
        "commitments": written(changed),
        "format": '"locard-record/1"',
        "log": '{"offset":%d,"partition":%d,"topic_id":%s}'
        % (row["log_offset"], row["log_partition"], written(row["log_topic_id"])),
        "redaction": row["redaction"],
        "sealed_by": written(told.get("sealed_by", "source")),
    }
    for name in ("ingested_at", "principal", "principal_verified"):
        if row.get(name) is not None:
            record[name] = written(row[name])
    if "stamped" in told:
        record["stamped"] = members(stamped).decode()
    body = ",".join('"%s":%s' % pair for pair in sorted(record.items()))
    return sha(b"\0" + digest + ("{" + body + "}").encode()), gone, absent, told["fields"]


def members(values):
    """An object of columns, of which some are JSON text already."""
    told = ",".join('"%s":%s' % (name, column(name, values[name])) for name in sorted(values))
    return ("{" + told + "}").encode()


# --- The bundle ---------------------------------------------------------------------------------


class Check:
    def __init__(self, bundle, log_keys, custody_keys):
        self.zip = bundle
        self.findings = []
        self.manifest = {}
        self.log_keys = log_keys
        self.custody_keys = custody_keys

    def note(self, verdict, what, **place):
        self.findings.append({"verdict": verdict, "place": place, "what": what})

    def read(self, name):
        try:
            return self.zip.read(name)
        except KeyError:
            raise Broken("%s is not in the bundle" % name) from None

    def run(self):
        self.check_manifest()
        size, root = self.check_checkpoint()
        entries = self.check_entries(size, root)
        covered = self.changes(entries)
        self.check_segments(entries, self.rows(), covered)

    def check_manifest(self):
        """[8] What is in the bundle is what its maker put there."""
        data = self.read("manifest.json")
        self.manifest = parsed(data.decode())
        signature = parsed(self.read("manifest.sig").decode())
        self.custody_keys = self.custody_keys or self.manifest["keys"]["custody"]
        key = signature["key_id"]
        fits = is_signature(
            decoded(key.replace("ed25519:", "", 1)), decoded(signature["signature"]), data
        )
        if key not in self.custody_keys or not fits:
            self.note(
                "ALTERED", "the manifest is not signed by whom it has to be", file="manifest.json"
            )
        for name, digest in self.manifest["files"].items():
            try:
                found = hashlib.sha256(self.read(name)).hexdigest()
            except Broken:
                self.note("MISSING", "a file is not in the bundle", file=name)
                continue
            if found != digest:
                self.note("ALTERED", "a file is not the one that was bundled", file=name)
        names = [name for name in self.zip.namelist() if not name.startswith("manifest.")]
        if sorted(names) != sorted(self.manifest["files"]):
            self.note("ALTERED", "there are other files in the bundle than its maker says")

    def check_checkpoint(self):
        """[5] The checkpoint is one, and is signed by the log."""
        whole = self.read("checkpoint").decode()
        text, _, below = whole.rpartition("\n\n")
        text += "\n"
        lines = text.split("\n")
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2])
        for vkey in self.log_keys or self.manifest["keys"]["log"]:
            name, key_hash, data = vkey.split("+", 2)
            public = base64.b64decode(data)
            key_id = sha(name.encode() + b"\n" + public)[:4]
            if name != origin or key_id.hex() != key_hash or public[:1] != b"\x01":
                continue
            for line in below.split("\n"):
                parts = line.split(" ")
                if len(parts) != 3 or parts[0] != "\u2014" or parts[1] != name:
                    continue
                signature = base64.b64decode(parts[2])
                if signature[:4] == key_id and is_signature(
                    public[1:], signature[4:], text.encode()
                ):
                    return size, root
        self.note("ALTERED", "the checkpoint is not signed by the log", file="checkpoint")
        return size, root

    def check_entries(self, size, root):
        """[4] The entries are in the log, each where it says."""
        entries = {}
        for line in self.read("entries.jsonl").decode().splitlines():
            told = parsed(line)
            data = told["entry"].encode()
            proof = [base64.b64decode(step) for step in told["proof"]]
            try:
                if root_by_proof(sha(b"\0" + data), told["index"], size, proof) != root:
                    raise Broken("the proof leads to another root")
            except Broken as error:
                self.note("ALTERED", "an entry is not in the log: %s" % error, entry=told["index"])
                continue
            entries[told["index"]] = parsed(told["entry"])
        return entries

    def changes(self, entries):
        """[6] What may be gone, and why."""
        covered = {}
        for index, entry in entries.items():
            if entry["format"] != "locard-change/1":
                continue
            statement = entry["statement"]
            unsigned = {k: v for k, v in statement.items() if k != "signature"}
            key = statement.get("key_id", "")
            if key not in self.custody_keys or not is_signature(
                decoded(key.replace("ed25519:", "", 1)),
                decoded(statement["signature"]),
                written(unsigned).encode(),
            ):
                self.note(
                    "ALTERED", "a statement of custody is signed by nobody who may", entry=index
                )
                continue
            verdict = ACTIONS.get(statement["action"])
            for what in ("emptied", "dropped"):
                for partition, pairs in statement.get(what, {}).items():
                    covered.setdefault((what, verdict, partition), []).extend(pairs)
        return covered

    def rows(self):
        rows = {}
        for line in self.read("rows.jsonl").decode().splitlines():
            row = parsed(line)
            place = row["log_topic_id"], row["log_partition"], row["log_offset"]
            if place in rows:
                self.note("DUPLICATED", "a row is there more than once", offset=place[2])
            else:
                rows[place] = row
        return rows

    def check_segments(self, entries, rows, covered):
        """[4] Each row is the one that was sealed at its place."""
        leaves = self.read("leaves.bin")
        begin = 0
        listed = {tuple(place) for place in self.places()}
        for index in sorted(entries):
            entry = entries[index]
            if entry["format"] != "locard-segment/2":
                continue
            sealed = entry.get("found", entry)
            kept = [leaves[at : at + 32] for at in range(begin, begin + 32 * sealed["rows"], 32)]
            begin += 32 * sealed["rows"]
            place = {
                "entry": index,
                "topic_id": entry["topic_id"],
                "partition": entry["partition"],
            }
            if root_of(kept).hex() != sealed["root"]:
                self.note("ALTERED", "the leaves of a segment do not lead to its root", **place)
                continue
            if "found" in entry:
                self.note("ALTERED", "the rows were altered before they were sealed", **place)
            self.check_rows(entry, kept, rows, listed, covered, place)
        for place in set(rows) - {tuple(one) for one in self.seen}:
            self.note("ALTERED", "a row is there that was never sealed", offset=place[2])

    def places(self):
        for partition, pairs in self.manifest["rows"].items():
            topic, _, number = partition.rpartition("/")
            for first, following in pairs:
                for offset in range(first, following):
                    yield topic, int(number), offset

    seen = ()

    def check_rows(self, entry, kept, rows, listed, covered, place):
        offsets = list(range(entry["first_offset"], entry["next_offset"]))
        for first, following in reversed(entry["without_row"]):
            del offsets[first - entry["first_offset"] : following - entry["first_offset"]]
        by_offset = dict(zip(offsets, kept))
        wrong = {}
        self.seen = list(self.seen)
        for offset in offsets:
            where = entry["topic_id"], entry["partition"], offset
            row = rows.get(where)
            if row is None:
                if where in listed and not self.is_covered(covered, "dropped", place, offset):
                    self.note(
                        "MISSING", "a row is not there that was bundled", offset=offset, **place
                    )
                continue
            self.seen.append(where)
            if self.leaf_at(row, offset) != by_offset[offset]:
                wrong[offset] = row
            elif where not in listed:
                self.note("ALTERED", "a row is there that was not bundled", offset=offset, **place)
            else:
                self.check_gone(row, covered, place, offset)
        if wrong and len(wrong) < 33 and self.is_order(wrong, by_offset):
            self.note("REORDERED", "rows have changed places", offsets=sorted(wrong), **place)
        else:
            for offset in wrong:
                self.note("ALTERED", "a row is not the one that was sealed", offset=offset, **place)

    def leaf_at(self, row, offset):
        try:
            return row_leaf({**row, "log_offset": offset})[0]
        except (Broken, KeyError, TypeError, ValueError, AttributeError):
            return None

    def is_order(self, wrong, by_offset):
        free = set(wrong)
        for row in wrong.values():
            at = next((o for o in sorted(free) if self.leaf_at(row, o) == by_offset[o]), None)
            if at is None:
                return False
            free.remove(at)
        return True

    def check_gone(self, row, covered, place, offset):
        """[6] Content that is gone was taken out by somebody who may, or withheld here."""
        _, gone, absent, fields = row_leaf(row)
        is_core = '"policy":"no-content/1"' in row["redaction"]
        reasons = set()
        for name in fields:
            said = absent.get(name)
            if name not in gone:
                reason = "" if said is None else None
            elif said is None:
                reason = "WITHHELD" if name in row.get("withheld", ()) else None
            elif said == "quarantined" or is_core:
                reason = "" if said == "quarantined" and is_core else None
            else:
                reason = REASONS.get(said)
                if reason and not self.is_covered(covered, "emptied", place, offset, reason):
                    reason = None
            reasons.add(reason)
        if None in reasons:
            what = "content is gone and nothing covers that"
            self.note("ALTERED", what, offset=offset, **place)
            return
        for reason in sorted(reasons - {""}):
            self.note(reason, "content is gone, or withheld here", offset=offset, **place)

    def is_covered(self, covered, what, place, offset, verdict=None):
        partition = "%s/%d" % (place["topic_id"], place["partition"])
        return any(
            first <= offset < following
            for one in ([verdict] if verdict else ACTIONS.values())
            for first, following in covered.get((what, one, partition), ())
        )


def verify(bundle, log_keys=(), custody_keys=()):
    """Return the findings of a bundle, as dictionaries; `bundle` is a path or an open file."""
    with zipfile.ZipFile(bundle) as opened:
        check = Check(opened, list(log_keys), list(custody_keys))
        try:
            check.run()
        except (Broken, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            check.note("ALTERED", "the bundle is damaged: %s" % type(error).__name__)
        return check.findings


def is_whole(findings):
    return all(finding["verdict"] in LAWFUL for finding in findings)


def main():
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of Locard.")
    parser.add_argument("bundle")
    parser.add_argument("--log-key", action="append", default=[])
    parser.add_argument("--custody-key", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        findings = verify(options.bundle, options.log_key, options.custody_key)
    except (OSError, zipfile.BadZipFile) as error:
        print("the bundle cannot be read: %s" % error, file=sys.stderr)
        return 2
    whole = is_whole(findings)
    if options.json:
        print(json.dumps({"whole": whole, "findings": findings}, indent=1))
        return 0 if whole else 1
    counts = {}
    for finding in findings:
        counts[finding["verdict"]] = counts.get(finding["verdict"], 0) + 1
    print("The bundle is whole." if whole else "The bundle is NOT whole.")
    for finding in findings:
        if finding["verdict"] not in LAWFUL:
            print("  %s: %s %s" % (finding["verdict"], finding["what"], finding["place"]))
    print("  findings: %s" % (counts or "none"))
    if not options.log_key or not options.custody_key:
        print("  The keys are those of the bundle itself: name others to know whose it is.")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
