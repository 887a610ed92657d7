#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds reader.py against the vectors, and the vectors against their maker: the committed bytes are those that make_vectors.py makes now."""
import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path

import make_vectors
import reader
import records
import restore

VECTORS = Path(__file__).resolve().parent / "vectors"


def finding_of(key, data):
    """(finding, attributes, SHA-256 of the content)"""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        try:
            entry = reader.Object(key, file)
            digest = hashlib.sha256(b"".join(entry.content())).hexdigest()
        except reader.Finding as finding:
            name = type(finding).__name__.lower()
            return {"otherkey": "other"}.get(name, name), None, None
    return "good", entry.attrs, digest


def altered(case):
    data = bytearray((VECTORS / case["file"]).read_bytes())
    for at, value in case["xor"]:
        data[at] ^= value
    if "swap" in case:
        a, b, length = case["swap"]
        data[a:a + length], data[b:b + length] = data[b:b + length], data[a:a + length]
    return bytes(data[:case["cut"]]) + bytes.fromhex(case["append"])


def key_kind(text):
    try:
        return {reader.RAW: "raw", reader.PASSPHRASE: "passphrase"}[reader.Key(text).kind]
    except reader.BadKeyText:
        return "refused"


def seal_finding(text):
    try:
        restore.parse_seal(text)
    except reader.Finding as finding:
        return type(finding).__name__.lower()
    return "good"


def check(vectors):
    keys = {name: reader.Key(text.encode()) for name, text in vectors["keys"].items()}
    for case in vectors["objects"]:
        finding, attrs, digest = finding_of(keys[case["key"]], (VECTORS / case["file"]).read_bytes())
        if finding != case["finding"]:
            yield f"{case['file']}: {finding}, not {case['finding']}"
        if finding == "good" and (attrs != {**case["attrs"], "object_id": case["object_id"]} or digest != case["sha256"]):
            yield f"{case['file']}: other attributes or content"
    for case in vectors["tampered"]:
        finding = finding_of(keys[case["key"]], altered(case))[0]
        if finding != case["finding"]:
            yield f"{case}: {finding}"
    for text, kind in vectors["key_texts"]:
        if key_kind(bytes.fromhex(text)) != kind:
            yield f"key text {bytes.fromhex(text)}: {key_kind(bytes.fromhex(text))}, not {kind}"
    for why, text, finding in vectors["seals"]:
        if seal_finding(bytes.fromhex(text)) != finding:
            yield f"a seal, {why}: {seal_finding(bytes.fromhex(text))}, not {finding}"
    for kind, why, text, finding in vectors["records"]:
        if records.finding(kind, bytes.fromhex(text)) != finding:
            yield f"{kind}, {why}: {records.finding(kind, bytes.fromhex(text))}, not {finding}"


def misprinted(derived):
    """The values that docs/format.md prints, against those of vectors.json."""
    page = (VECTORS.parents[2] / "docs/format.md").read_text()
    printed = dict(re.findall(r"^\| (\w+) \| `([0-9a-f]+)` \|$", page, re.M))
    return [f"docs/format.md: {name}" for name in derived.keys() | printed.keys() if printed.get(name) != derived.get(name)]


def drifted():
    with tempfile.TemporaryDirectory() as folder:
        make_vectors.main(Path(folder))
        made = {f.name: f.read_bytes() for f in Path(folder).iterdir()}
    committed = {f.name: f.read_bytes() for f in VECTORS.iterdir()}
    return [f"{name}: not what make_vectors.py makes" for name in sorted(made.keys() | committed.keys()) if made.get(name) != committed.get(name)]


def main():
    vectors = json.loads((VECTORS / "vectors.json").read_text())
    problems = list(check(vectors)) + misprinted(vectors["derived"]) + drifted()
    for problem in problems:
        print(f"check_reader: {problem}", file=sys.stderr)
    print(f"reader.py: {len(vectors['objects'])} objects, {len(vectors['tampered'])} alterations, {len(vectors['key_texts'])} key texts, "
          f"{len(vectors['seals'])} seals, {len(vectors['records'])} other records, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
