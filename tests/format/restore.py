#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Restores a sealed backup from docs/format.md and the key alone, without pishopfs: reads the seal, compares every object with it, decrypts.

usage: restore.py KEYFILE FOLDER PREFIX TENANT STEM OUT
FOLDER is a `dir:` store, or a copy of the bucket made with any S3 client (`mc mirror`). OUT is made, and must not exist.
Needs the package `cryptography`, as reader.py does. Every difference is one line on stderr; what is good is restored all the same.
Exit status: 0 all is what the seal lists, 2 usage or key text, 15 something is missing, extra, damaged or another object; as reader.py where the
seal itself cannot be read; 16 there is no seal.
"""
import datetime
import os
import re
import sys

import reader
from bucket import Bucket
from records import RECORD, TIME, damaged, parse_line, seconds, take

FILE, FOLDER, LINK = 1, 2, 3
TYPES = {"file": FILE, "folder": FOLDER, "link": LINK}
SOURCES = ["archive", "single", "marked", "settled", "request"]
SKEW = 26 * 3600
ARCHIVE = re.compile(r".+\.(tar|tgz|tbz2|txz|tzst|zip|7z|archive|gz|bz2|xz|zst|lz4|enc|gpg|age|tar\.(lz|lzma|lzo|br|z|sz))", re.I | re.S)


# ---- The seal, §10

def parse_envelope(line):
    if next(iter(line), None) != "seal":
        raise damaged("it is not one")
    if take(line, "seal", int) != 1:
        raise reader.Newer("seal: of a newer version")
    seal = {"tenant": take(line, "tenant", "[^/]+"), "backup": take(line, "backup", "[^/]+")}
    time = None if line.get("time", "") is None else seconds(take(line, "time", TIME))
    line.pop("time", None)
    imported = take(line, "imported", bool)
    committed = seconds(take(line, "committed", TIME))
    seconds(take(line, "sealed", TIME))
    seal["bytes"], seal["entries"] = take(line, "bytes", int), take(line, "entries", int)
    seal["source"] = take(line, "source", SOURCES)
    for name, shape in (("writer", "[0-9a-f]{32}"), ("program", ".{1,63}"), ("previous", "[0-9a-f]{64}")):
        take(line, name, shape)
    if line:
        raise damaged(f"unknown members {list(line)}")
    if imported != (time is not None and time < committed - SKEW) or (time is not None and time > committed + SKEW):
        raise damaged("its times")
    return seal


def parse_entry(line, stem):
    entry = {"path": take(line, "path", None), "type": TYPES[take(line, "type", list(TYPES))], "mode": take(line, "mode", int, 0o7777)}
    for name in ("uid", "gid"):
        entry[name] = take(line, name, int, (1 << 32) - 1)
    whole, nanoseconds = take(line, "mtime", r"(-?[1-9]\d{0,18}|0)\.\d{9}").split(".")
    entry["mtime_ns"] = int(whole) * 10**9 + int(nanoseconds)
    entry["size"] = take(line, "size", int, reader.PLAIN_MAX)
    entry["id"] = take(line, "id", "[0-9a-f]{32}")
    take(line, "state", int, 4)
    take(line, "etag", None)
    if line:
        raise damaged(f"unknown members {list(line)}")
    parts = entry["path"].split("/")
    if not entry["path"].startswith(stem) or any(part in ("", ".", "..") for part in parts):
        raise damaged(f"the path {entry['path']!r}")
    if (entry["type"] == FOLDER and entry["size"]) or (entry["type"] == LINK and not 1 <= entry["size"] <= 4095):
        raise damaged(f"{entry['path']}: a size that its type cannot have")
    return entry


def parse_seal(text):
    """{"tenant", "backup", "bytes", "entries", "source", "list"}, or a Finding."""
    if not text.endswith(b"\n"):
        raise damaged("cut")
    lines = text[:-1].split(b"\n")
    seal = parse_envelope(parse_line(lines[0]))
    seal["list"] = [parse_entry(parse_line(line), seal["backup"]) for line in lines[1:]]
    paths = [os.fsencode(entry["path"]) for entry in seal["list"]]
    if any(a >= b for a, b in zip(paths, paths[1:])):
        raise damaged("its entries are not in order")
    if not seal["list"] or len(seal["list"]) != seal["entries"] or sum(entry["size"] for entry in seal["list"]) != seal["bytes"]:
        raise damaged("bytes or entries are not what it lists")
    return seal


# ---- Which names are of a backup, §9

DIGIT_END = r"(?!\d)"
STAMPS = [  # pattern, with a time of day
    (rf"(?P<Y>\d{{4}})(?P<M>\d\d)(?P<D>\d\d)[-_T]?(?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d){DIGIT_END}(?:(?<=T\d{{6}})Z)?", True),
    (rf"(?P<Y>\d{{4}})-(?P<M>\d\d)-(?P<D>\d\d)[T_ -](?P<h>\d\d)(?P<colon>[:-])(?P<m>\d\d)(?P=colon)(?P<s>\d\d){DIGIT_END}(?:\.\d+(?![A-Ya-z\d]))?"
     rf"(?:Z|[+-](?:[01]\d|2[0-3])[:-][0-5]\d{DIGIT_END})?", True),
    (rf"(?P<epoch>\d{{10}}){DIGIT_END}", True),
    (rf"(?P<Y>\d{{4}})(?P<dash>-?)(?P<M>\d\d)(?P=dash)(?P<D>\d\d){DIGIT_END}", False),
]


def exists(found):
    if found.get("epoch"):
        return 1000000000 <= int(found["epoch"]) <= 4294967295
    try:
        datetime.datetime(*(int(found.get(field) or 0) for field in "YMDhms"))
        return True
    except ValueError:
        return False


def stem_of(name):
    """name through its first timestamp with a time of day, else its first date, else to its first dot that is not its first byte."""
    for timed in (True, False):
        found = []
        for pattern, has_time in STAMPS:
            if has_time == timed:
                matches = re.finditer(rf"(?=(?P<all>(?<!\d)(?:{pattern})))", name, re.ASCII)
                found += [(m.start(), -len(m["all"])) for m in matches if exists(m.groupdict())]
        if found:
            start, length = min(found)
            return name[:start - length]
    dot = name.find(".", 1)
    return name if dot < 0 else name[:dot]


# ---- Restoring

class Restore:
    def __init__(self, key, bucket, prefix, out):
        self.key, self.bucket, self.out = key, bucket, out
        self.prefix = prefix + "/" if prefix else ""
        self.problems = 0
        self.no_markers = False  # the copy has none: that says nothing of a single one

    def tell(self, path, what):
        self.problems += 1
        print(f"{path}: {what}", file=sys.stderr)

    def read_seal(self, tenant, stem):
        with open(self.bucket.file(f"{self.prefix}.pishop/t/{tenant}/seals/{stem}"), "rb") as file:
            record = reader.Object(self.key, file)
            if record.attrs["type"] != RECORD:
                raise damaged("it is not a record")
            seal = parse_seal(b"".join(record.content()))
        if (seal["tenant"], seal["backup"]) != (tenant, stem):
            raise damaged(f"it is that of {seal['tenant']}/{seal['backup']}")
        return seal

    def extra(self, seal):
        """What stands there and is not listed, but for scratch."""
        listed = {entry["path"] + ("/" if entry["type"] == FOLDER else "") for entry in seal["list"]}
        folders = {entry["path"].split("/")[0] for entry in seal["list"] if entry["type"] == FOLDER or "/" in entry["path"]}
        archived = any(entry["type"] == FILE and "/" not in entry["path"] and ARCHIVE.fullmatch(entry["path"]) for entry in seal["list"])
        for path in sorted(self.bucket.keys(f"{self.prefix}{seal['tenant']}")):
            top = path.split("/")[0]
            if not path or path in listed or stem_of(top) != seal["backup"]:
                continue
            if "/" in path and archived and top not in folders:
                continue
            yield path

    def write(self, entry, content):
        target = os.path.join(self.out, entry["path"])
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if entry["type"] == LINK:
            os.symlink(b"".join(content), os.fsencode(target))
        elif entry["type"] == FOLDER:
            os.makedirs(target, exist_ok=True)
        else:
            with open(target, "wb") as file:
                for data in content:
                    file.write(data)
        return target

    def restore_entry(self, entry, tenant):
        """The path that was made, or None. The attributes are the seal's."""
        marker = entry["type"] == FOLDER
        name = self.bucket.file(f"{self.prefix}{tenant}/{entry['path']}" + ("/" if marker else ""))
        if not os.path.lexists(name):
            if not (marker and self.no_markers):
                self.tell(entry["path"], "missing")
            return self.write(entry, []) if marker else None
        try:
            with open(name, "rb") as file:
                there = reader.Object(self.key, file)
                if there.id.hex() != entry["id"]:
                    self.tell(entry["path"], f"another object than was sealed: {there.id.hex()}")
                elif (there.size, there.attrs["type"]) != (entry["size"], entry["type"]):
                    self.tell(entry["path"], f"{there.size} bytes, and {entry['size']} were sealed")
                else:
                    return self.write(entry, there.content())
        except reader.Finding as finding:
            self.tell(entry["path"], f"{type(finding).__name__.lower()}: {finding}")
            if entry["type"] == FILE and os.path.exists(os.path.join(self.out, entry["path"])):
                os.unlink(os.path.join(self.out, entry["path"]))
        return None

    def restore(self, tenant, stem):
        seal = self.read_seal(tenant, stem)
        os.mkdir(self.out)
        markers = [self.bucket.file(f"{self.prefix}{tenant}/{entry['path']}/") for entry in seal["list"] if entry["type"] == FOLDER]
        self.no_markers = not any(map(os.path.lexists, markers))
        if markers and self.no_markers:
            print("no folder has its marker, as in copies that some S3 clients make: the seal has all that they held", file=sys.stderr)
        for path in self.extra(seal):
            self.tell(path, "extra: the seal does not list it")
        made = [(self.restore_entry(entry, tenant), entry) for entry in seal["list"]]
        for target, entry in reversed(made):  # folders after what is in them
            if not target:
                continue
            if os.geteuid() == 0:
                os.chown(target, entry["uid"], entry["gid"], follow_symlinks=False)
            if entry["type"] != LINK:
                os.chmod(target, entry["mode"])
            os.utime(target, ns=(entry["mtime_ns"], entry["mtime_ns"]), follow_symlinks=False)
        print(f"{tenant}/{stem}: {len(seal['list'])} entries, {seal['bytes']} bytes, {self.problems} problems")


def main(argv):
    if len(argv) != 6:
        print(__doc__, file=sys.stderr)
        return 2
    keyfile, folder, prefix, tenant, stem, out = argv
    try:
        with open(keyfile, "rb") as file:
            job = Restore(reader.Key(file.read()), Bucket(folder), prefix, out)
        job.restore(tenant, stem)
    except reader.BadKeyText as problem:
        print(f"{keyfile}: {problem}", file=sys.stderr)
        return 2
    except FileNotFoundError as problem:
        print(f"no seal: {problem}", file=sys.stderr)
        return 16
    except reader.Finding as finding:
        print(f"{tenant}/{stem}: {type(finding).__name__.lower()}: {finding}", file=sys.stderr)
        return finding.code
    return 15 if job.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
