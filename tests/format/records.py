#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the records of a tenant's backups from docs/format.md §9 to §13 and the key alone, without pishopfs: deletions, the trash, the audit log, holds, policy, lease and
what retention remembers.

usage: records.py KEYFILE FOLDER PREFIX TENANT
FOLDER is a `dir:` store, or a copy of the bucket. Prints what each record says as one line of JSON; whatever is wrong is one line on stderr.
Exit status: 0 all are whole, the chain of the audit log too; 2 usage or key text; 13 at least one is not.
"""
import datetime
import hashlib
import json
import os
import re
import sys

import bucket
import reader

RECORD = 4
INT_MOST = (1 << 53) - 1
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
ID, DIGEST = "[0-9a-f]{32}", "[0-9a-f]{64}"
ZEROS = "0" * 64
EVENTS = ["committed", "sealed", "reopened", "removed", "tombstoned", "undeleted", "deleting", "deleted", "restored", "policy", "hold", "unhold", "damage",
          "verified", "stopped"]
STATES = ["open", "settling", "sealed", "unsealed", "partial", "damaged", "deleted"]
COUNT_MOST, AGE_MOST = 1000000, 36525 * 86400
SEGMENTS = 9999999999999999


# ---- One line, §9

def damaged(why):
    return reader.Damaged(f"record: {why}")


def no_float(text):
    raise damaged(f"the number {text}")


def members(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise damaged("a member stands twice")
    return dict(pairs)


def parse_line(line):
    """One object; names that are not UTF-8 come out as os.fsdecode would give them."""
    if any(byte < 0x20 for byte in line) or b"\\u0000" in re.sub(rb"\\\\", b"", line):
        raise damaged("a control character")
    try:
        value = json.loads(line.decode("utf-8", "surrogateescape"), object_pairs_hook=members, parse_float=no_float, parse_constant=no_float)
    except ValueError:
        raise damaged("a line that is not JSON") from None
    if not isinstance(value, dict):
        raise damaged("a line that is not an object")
    return value


def take(line, name, shape, most=INT_MOST, least=0):
    """A member, taken out; shape: int, bool, a list of words, a pattern, or None for any text."""
    if name not in line:
        raise damaged(f"no member {name}")
    value = line.pop(name)
    if shape in (int, bool):
        good = type(value) is shape and (shape is bool or least <= value <= most)
    elif isinstance(shape, list):
        good = value in shape
    else:
        good = isinstance(value, str) and (shape is None or re.fullmatch(shape, value))
    if not good:
        raise damaged(f"{name}: {value!r}")
    return value


def take_or_null(line, name, taker, *more):
    if line.get(name, "") is None:
        return line.pop(name)
    return taker(line, name, *more)


def take_bytes(line, name, most, least=0):
    """Text of so many bytes."""
    value = take(line, name, None)
    if not least <= len(value.encode("utf-8", "surrogateescape")) <= most:
        raise damaged(f"{name}: its length")
    return value


def take_stem(line, name="backup"):
    return take_bytes(line, name, 255, 1)


def seconds(text):
    try:
        parsed = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise damaged(f"the time {text}") from None
    return int(parsed.replace(tzinfo=datetime.timezone.utc).timestamp())


def take_time(line, name):
    return seconds(take(line, name, TIME))


def begin(line, kind):
    """The first member names the kind and its version."""
    if next(iter(line), None) != kind:
        raise damaged(f"it is no record of {kind}")
    if take(line, kind, int) != 1:
        raise reader.Newer(f"{kind}: of a newer version")


def end(line):
    if line:
        raise damaged(f"unknown members {list(line)}")


def lines_of(text):
    if not text.endswith(b"\n"):
        raise damaged("cut")
    lines = text[:-1].split(b"\n")
    if not all(lines):
        raise damaged("an empty line")
    return lines


def only_line(text):
    lines = lines_of(text)
    if len(lines) != 1:
        raise damaged("more than one line")
    return parse_line(lines[0])


# ---- §11

def parse_tombstone(text):
    line = only_line(text)
    begin(line, "tombstone")
    said = {"backup": take_stem(line), "id": take(line, "id", ID), "phase": take(line, "phase", ["grace", "deleting"]), "trashed": take(line, "trashed", bool),
            "at": take_time(line, "at"), "until": take_time(line, "until"), "why": take(line, "why", None), "by": take_bytes(line, "by", 127)}
    for name in ("epoch", "objects", "bytes"):
        said[name] = take(line, name, int)
    said["seal"] = take_or_null(line, "seal", take, None)
    end(line)
    return said


def parse_reopen(text):
    line = only_line(text)
    begin(line, "reopen")
    said = {"backup": take_stem(line), "at": take_time(line, "at"), "writer": take(line, "writer", ID), "why": take(line, "why", None)}
    end(line)
    return said


# ---- §12

def parse_audit_line(line, tenant):
    begin(line, "audit")
    if take(line, "tenant", None) != tenant:
        raise damaged("a line of another tenant's log")
    said = {"at": take_time(line, "at"), "event": take(line, "event", EVENTS), "backup": take_or_null(line, "backup", take_bytes, 255, 1),
            "detail": take_or_null(line, "detail", take, None), "seal": take_or_null(line, "seal", take, ID)}
    for name in ("epoch", "objects", "bytes"):
        said[name] = take(line, name, int)
    said["writer"], said["program"], said["prev"] = take(line, "writer", ID), take_bytes(line, "program", 63, 1), take(line, "prev", DIGEST)
    end(line)
    return said


def parse_segment(text, tenant, prev=ZEROS):
    """Its lines, and the digest of the last."""
    said = []
    for line in lines_of(text):
        said.append(parse_audit_line(parse_line(line), tenant))
        if said[-1]["prev"] != prev:
            raise damaged(f"line {len(said)} does not follow the one before it")
        prev = hashlib.sha256(line).hexdigest()
    return said, prev


# ---- §13

def policy_of(line):
    begin(line, "policy")
    said = {name: take(line, name, int, COUNT_MOST) for name in ("keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly")}
    for name in ("keep-within", "max-age", "min-age"):
        said[name] = take(line, name, int, AGE_MOST)
    said["min-keep"], said["partial-after"] = take(line, "min-keep", int, COUNT_MOST, 1), take(line, "partial-after", int, AGE_MOST)
    said["untimed-by-commit"] = take(line, "untimed-by-commit", bool)
    end(line)
    return said


def parse_policy(text):
    return policy_of(only_line(text))


def parse_holds(text):
    line = only_line(text)
    begin(line, "holds")
    listed = line.pop("list", None)
    end(line)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise damaged("its list")
    said = []
    for item in listed:
        said.append({"backup": take_stem(item), "why": take(item, "why", None), "by": take(item, "by", None), "at": take_time(item, "at")})
        end(item)
    if len({item["backup"] for item in said}) != len(said):
        raise damaged("a backup stands twice")
    return said


def parse_lease(text):
    line = only_line(text)
    begin(line, "lease")
    said = {"writer": take_or_null(line, "writer", take, ID), "epoch": take(line, "epoch", int, INT_MOST, 1), "ttl": take(line, "ttl", int, 86400, 1),
            "renewed": take_time(line, "renewed")}
    end(line)
    return said


def take_policy(line, name):
    value = line.pop(name)
    if not isinstance(value, dict):
        raise damaged(name)
    return policy_of(value)


def parse_retention(text):
    """What its first line says, and the backups of the others."""
    lines = [parse_line(line) for line in lines_of(text)]
    line = lines[0]
    begin(line, "retention")
    said = {"run": take_or_null(line, "run", take_time), "high": take_time(line, "high"), "backups": take(line, "backups", int)}
    if "policy" not in line or "next" not in line:
        raise damaged("no policy")
    said["policy"], said["policy_since"] = take_policy(line, "policy"), take_time(line, "policy_since")
    said["next"] = take_or_null(line, "next", take_policy)
    said["next_since"] = take_or_null(line, "next_since", take_time)
    if (said["next"] is None) != (said["next_since"] is None):
        raise damaged("the policy that waits")
    said["audit"], said["audit_hash"] = take(line, "audit", int), take(line, "audit_hash", DIGEST)
    end(line)
    said["seen"] = [seen_backup(other) for other in lines[1:]]
    if len(set(said["seen"])) != len(said["seen"]):
        raise damaged("a backup stands twice")
    return said


def seen_backup(line):
    stem = take_stem(line)
    for name in ("seal", "reason"):
        take(line, name, None)
    take(line, "listed", DIGEST)
    take(line, "state", STATES)
    for name in ("timed", "imported", "foreign"):
        take(line, name, bool)
    for name in ("time", "committed"):
        take_time(line, name)
    take_or_null(line, "sealed", take_time)
    for name in ("bytes", "objects", "scratch"):
        take(line, name, int)
    end(line)
    return stem


PARSERS = {"tombstone": parse_tombstone, "reopen": parse_reopen, "audit": lambda text: parse_segment(text, "acme"), "policy": parse_policy,
           "holds": parse_holds, "lease": parse_lease, "retention": parse_retention}


def finding(kind, text):
    """What is to be said of a text of that kind; audit: the first segment of the tenant acme."""
    try:
        PARSERS[kind](text)
    except reader.Finding as found:
        return type(found).__name__.lower()
    return "good"


# ---- A tenant's records in a bucket

class Records:
    def __init__(self, key, store, prefix, tenant):
        self.key, self.store, self.tenant = key, store, tenant
        self.top = (prefix + "/" if prefix else "") + f".pishop/t/{tenant}"
        self.problems = 0
        self.segments = []  # digest of the last line of each

    def tell(self, name, what):
        self.problems += 1
        print(f"{name}: {what}", file=sys.stderr)

    def text(self, name):
        with open(self.store.file(f"{self.top}/{name}"), "rb") as file:
            record = reader.Object(self.key, file)
            if record.attrs["type"] != RECORD:
                raise damaged("it is not a record")
            return b"".join(record.content())

    def named(self, parse, stem):
        """A record that says itself whose it is."""
        def read(text):
            said = parse(text)
            if said["backup"] != stem:
                raise damaged(f"it is that of {said['backup']}")
            return said
        return read

    def in_trash(self, name):
        def read(text):
            said = parse_tombstone(text)
            if said["id"] != name or not said["trashed"]:
                raise damaged("it is that of another deletion")
            return said
        return read

    def parser(self, name):
        kind, _, rest = name.partition("/")
        if kind == "tombstones":
            return self.named(parse_tombstone, rest)
        if kind == "reopen":
            return self.named(parse_reopen, rest)
        if kind == "trash" and rest.endswith("/record"):
            return self.in_trash(rest[:-len("/record")])
        return {"control/policy": parse_policy, "control/holds": parse_holds, "control/lease": parse_lease, "control/retention": parse_retention}.get(name)

    def show(self, name, parse):
        try:
            said = parse(self.text(name))
        except reader.Finding as found:
            self.tell(name, f"{type(found).__name__.lower()}: {found}")
            return None
        print(json.dumps({"record": name, **(said if isinstance(said, dict) else {"list": said})}))
        return said

    def read_log(self, names):
        """Segment 1, 2 and on; the first thing that is wrong ends it."""
        prev = ZEROS
        for number, name in enumerate(sorted(names, reverse=True), 1):
            if name != f"audit/{SEGMENTS - number:016}":
                self.tell(f"segment {number}", "missing")
                return
            try:
                said, prev = parse_segment(self.text(name), self.tenant, prev)
            except reader.Finding as found:
                self.tell(f"segment {number}", f"{type(found).__name__.lower()}: {found}")
                return
            self.segments.append(prev)
            for line in said:
                print(json.dumps({"record": name, **line}))

    def compare_log(self, memory):
        known = memory["audit"] if memory else 0
        if known > len(self.segments):
            self.tell(f"segment {len(self.segments) + 1}", f"missing: there were {known}")
        elif known and self.segments[known - 1] != memory["audit_hash"]:
            self.tell(f"segment {known}", "it is not the one that was seen by retention")

    def read(self):
        names = sorted(self.store.keys(self.top))
        logs = [name for name in names if name.startswith("audit/")]
        memory = None
        for name in names:
            parse = self.parser(name)
            said = self.show(name, parse) if parse else None
            memory = said if name == "control/retention" else memory
        problems = self.problems
        self.read_log(logs)
        if self.problems == problems:
            self.compare_log(memory)


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    keyfile, folder, prefix, tenant = argv
    try:
        with open(keyfile, "rb") as file:
            job = Records(reader.Key(file.read()), bucket.Bucket(folder), prefix, tenant)
    except reader.BadKeyText as problem:
        print(f"{keyfile}: {problem}", file=sys.stderr)
        return 2
    job.read()
    return 13 if job.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
