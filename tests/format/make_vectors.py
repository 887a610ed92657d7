#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Independent writer of the object format, from docs/format.md alone; makes tests/format/vectors/.

usage: make_vectors.py [FOLDER]
Everything that is random in a real object is fixed here, so that a run gives the same bytes every time: never use this to store anything.
`tampered` in vectors.json lists alterations of those objects and the finding (§7) that a reader must come to; `seals`, texts of seals (§10) and theirs; `records`, those of
the other records (§11 to §13).
"""
import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

CHUNK = 65536
RECORD = CHUNK + 28
RAW_KEY = bytes(range(32))
KEYS = {"raw": RAW_KEY.hex(), "passphrase": "correct horse battery staple", "other": bytes(range(1, 33)).hex()}
PASSPHRASE_SALT = hashlib.sha256(b"vector passphrase salt").digest()
FILE, FOLDER, SYMLINK, RECORD_TYPE = 1, 2, 3, 4


def fixed(label, length):
    """Bytes that stand for random ones."""
    return hashlib.shake_256(b"pishopfs test vector: " + label.encode("utf-8", "surrogateescape")).digest(length)


def hkdf(ikm, salt, info):
    return HKDF(hashes.SHA256(), 32, salt or None, info).derive(ikm)


def gcm(key, nonce, plain, aad):
    return AESGCM(key).encrypt(nonce, plain, aad)


def kek_of(key):
    if key == "passphrase":
        return Scrypt(salt=PASSPHRASE_SALT, length=32, n=1 << 15, r=8, p=3).derive(KEYS[key].encode())
    return bytes.fromhex(KEYS[key])


def slot(key, number, dek, object_id):
    kek = kek_of(key)
    name = hkdf(kek, None, b"pishopfs/v1/key-id")[:8]
    kind, params, salt = (2, bytes([15, 8, 3]), PASSPHRASE_SALT) if key == "passphrase" else (1, bytes(3), bytes(32))
    wrap = hkdf(kek, None, b"pishopfs/v1/wrap" + bytes([1, 1, number, kind]) + name + object_id)
    return bytes([kind]) + params + name + salt + gcm(wrap, bytes(12), dek, None) + bytes(4)


class Secrets:
    """What a writer draws for one object."""

    def __init__(self, name):
        self.dek, self.salt, self.id = fixed(name + " dek", 32), fixed(name + " salt", 32), fixed(name + " id", 16)

    def derive(self, label):
        return hkdf(self.dek, self.salt, b"pishopfs/v1/" + label)


def header(secrets, slots, reserved=bytes(2), unused=b""):
    table = b"".join(slots) + unused
    body = bytes.fromhex("895053460d0a1a0a") + bytes([1, 1, 16, len(slots)]) + struct.pack(">H", 512) + reserved
    body += secrets.id + secrets.salt + secrets.derive(b"commitment") + table + bytes(384 - len(table))
    return body + hmac.new(secrets.derive(b"header-mac"), body, hashlib.sha256).digest()


def sealed(name, secrets, k, kind, plain):
    nonce = fixed(f"{name} nonce {k} {kind}", 12)
    return nonce + gcm(secrets.derive(b"content"), nonce, plain, secrets.id + struct.pack(">QB", k, kind))


def trailer_body(attrs, tail=bytes(140)):
    return struct.pack(">BBHIIIqIIQqII16s16s", attrs["type"], attrs["state"], 0, attrs["mode"], attrs["uid"], attrs["gid"], attrs["mtime"],
                       attrs["mtime_ns"], 0, attrs["size"], attrs["committed"], attrs["committed_ns"], 0, bytes.fromhex(attrs["commit_id"]),
                       bytes.fromhex(attrs["writer_id"])) + tail


def attributes(name, kind, size):
    return {"type": kind, "state": 1, "mode": 0o750 if kind == FOLDER else 0o640, "uid": 1000, "gid": 4294967295, "mtime": 1764039318,
            "mtime_ns": 999999999, "size": size, "committed": 1764039320, "committed_ns": 5, "commit_id": fixed(name + " commit", 16).hex(),
            "writer_id": fixed(name + " writer", 16).hex()}


class Vectors:
    def __init__(self, folder):
        self.folder = folder
        self.objects, self.tampered = [], []

    def write(self, name, key, content, kind=FILE, finding="good", head=None, attrs=None, tail=bytes(140)):
        """One object; head and attrs stand in for what an honest writer would put there."""
        secrets = Secrets(name)
        chunks = [content[i:i + CHUNK] for i in range(0, len(content), CHUNK)] or [b""]
        attrs = {**attributes(name, kind, len(content)), **(attrs or {})}
        data = head(secrets) if head else header(secrets, [slot(key, 0, secrets.dek, secrets.id)])
        for k, plain in enumerate(chunks):
            data += sealed(name, secrets, k, int(k == len(chunks) - 1), plain)
        data += sealed(name, secrets, len(chunks), 2, trailer_body(attrs, tail))
        (self.folder / f"{name}.bin").write_bytes(data)
        self.objects.append({"file": f"{name}.bin", "key": key, "finding": finding, "attrs": attrs, "object_id": secrets.id.hex(),
                             "sha256": hashlib.sha256(content).hexdigest()})

    def alter(self, why, name, finding, xor=(), cut=None, append="", key=None):
        """The object with bytes xor-ed, then cut to `cut` bytes (from its end where negative), then `append` behind it."""
        key = key or next(o["key"] for o in self.objects if o["file"] == f"{name}.bin")
        self.tampered.append({"why": why, "file": f"{name}.bin", "key": key, "xor": [list(x) for x in xor], "cut": cut, "append": append,
                              "finding": finding})

    def swap(self, why, name, a, b, length, finding):
        """The object with two ranges exchanged, as a list of xor-ed bytes would be too long."""
        self.tampered.append({"why": why, "file": f"{name}.bin", "key": "raw", "xor": [], "cut": None, "append": "", "swap": [a, b, length],
                              "finding": finding})


def good_objects(v):
    for size in (0, 1, 65536, 65537, 150000):
        v.write(f"raw-{size}", "raw", fixed("content", size))
    for size in (0, 1, 65537):
        v.write(f"passphrase-{size}", "passphrase", fixed("content", size))
    v.write("folder", "raw", b"", FOLDER, attrs={"mode": 0o2775})
    v.write("symlink", "raw", "../другой/target".encode(), SYMLINK, attrs={"mode": 0o777})
    v.write("record", "raw", b'{"note":"an internal record"}', RECORD_TYPE)
    v.write("seal", "raw", seal_text(), RECORD_TYPE, attrs={"mode": 0o600})
    for kind, text in record_objects():
        v.write(kind, "raw", text, RECORD_TYPE, attrs={"mode": 0o600})
    v.write("old-times", "raw", b"x", attrs={"mtime": -2, "mtime_ns": 5, "committed": -(1 << 40), "state": 3})

    def crowded(s):
        foreign_kind = bytes([3, 9, 9, 9]) + fixed("x25519 slot", 92)
        odd_params = bytes([1, 7, 7, 7]) + fixed("odd slot", 92)
        return header(s, [foreign_kind, odd_params, slot("other", 2, s.dek, s.id), slot("raw", 3, s.dek, s.id)])

    v.write("four-slots", "raw", b"for two readers", head=crowded)


def faulty_writers(v):
    """Objects that only a holder of the key could make, and that a reader must refuse all the same."""

    def one(s):
        return [slot("raw", 0, s.dek, s.id)]

    def stained(s, at):
        good = bytearray(one(s)[0])
        good[at] = 1
        return header(s, [bytes(good)])

    heads = {
        "reserved-14": lambda s: header(s, one(s), reserved=b"\1\0"),
        "reserved-15": lambda s: header(s, one(s), reserved=b"\0\1"),
        "reserved-slot-92": lambda s: stained(s, 92),
        "reserved-slot-95": lambda s: stained(s, 95),
        "reserved-raw-salt": lambda s: stained(s, 43),
        "reserved-unused-slot": lambda s: header(s, one(s), unused=bytes(95) + b"\1"),
        "wrong-slot-number": lambda s: header(s, [slot("raw", 1, s.dek, s.id)]),
    }
    for name, head in heads.items():
        v.write(name, "raw", b"", finding="damaged", head=head)
    bad = {"type": 0, "state": 5, "mode": 0o10000, "mtime_ns": 1000000000, "committed_ns": 1000000000}
    for field, value in bad.items():
        v.write(f"bad-{field}", "raw", b"", finding="damaged", attrs={field: value})
    v.write("bad-type-5", "raw", b"", finding="damaged", attrs={"type": 5})
    v.write("folder-with-content", "raw", b"x", FOLDER, finding="damaged")
    v.write("symlink-empty", "raw", b"", SYMLINK, finding="damaged")
    v.write("symlink-long", "raw", b"x" * 4096, SYMLINK, finding="damaged")
    v.write("signer", "raw", b"", finding="damaged", tail=b"\1" + bytes(139))
    v.write("trailer-last-byte", "raw", b"", finding="damaged", tail=bytes(139) + b"\1")
    v.write("trailer-other-size", "raw", b"four", finding="cut", attrs={"size": 5})


def alterations(v):
    tail = 256
    for at in range(8):
        v.alter("magic", "raw-1", "foreign", [(at, 0x40)])
    for at in (8, 9, 10, 12, 13):
        v.alter("unknown version, suite, chunk size or header length", "raw-1", "newer", [(at, 0x02)])
    v.alter("no slots", "raw-1", "damaged", [(11, 0x01)])
    v.alter("five slots", "raw-1", "damaged", [(11, 0x04)])
    v.alter("three slots, the MAC being of one", "raw-1", "damaged", [(11, 0x02)])
    v.alter("newer wins over a bad slot count", "raw-1", "newer", [(8, 0x02), (11, 0x01)])
    for at in (96, 97, 98, 99, 100, 107):
        v.alter("a slot that is not ours", "raw-1", "other", [(at, 0x80)])
    v.alter("the salt of a passphrase", "passphrase-1", "other", [(108, 1)])
    for at in (14, 15, 16, 31, 32, 63, 64, 95, 108, 139, 140, 171, 172, 187, 188, 191, 192, 479, 480, 511):
        v.alter("header byte", "raw-1", "damaged", [(at, 0x01)])
    v.alter("another raw key", "raw-1", "other", key="other")
    v.alter("a passphrase for a raw object", "raw-1", "other", key="passphrase")
    v.alter("a raw key for a passphrase's object", "passphrase-1", "other", key="raw")
    for length, finding in ((0, "foreign"), (7, "foreign"), (8, "cut"), (511, "cut"), (512, "cut"), (767, "cut"), (795, "cut")):
        v.alter("cut", "raw-1", finding, cut=length)
    for length in (-1, -255, -256, -257):
        v.alter("cut at the end", "raw-65537", "cut", cut=length)
    for length in (1, 28):
        v.alter("a length that no file has", "raw-150000", "cut", cut=768 + RECORD + length)
    for length in (512 + RECORD, 512 + 2 * RECORD, 768 + RECORD, 768 + 2 * RECORD):
        v.alter("cut between records", "raw-150000", "cut", cut=length)
    v.alter("one byte more", "raw-1", "cut", append="00")
    v.alter("the trailer twice", "raw-0", "cut", append="00" * 256)
    v.alter("nonce", "raw-65537", "damaged", [(512, 1)])
    v.alter("ciphertext", "raw-65537", "damaged", [(524 + 65535, 1)])
    v.alter("tag", "raw-65537", "damaged", [(512 + RECORD - 1, 1)])
    v.alter("last record", "raw-65537", "damaged", [(-tail - 1, 1)])
    v.alter("trailer's nonce", "raw-65537", "damaged", [(-256, 1)])
    v.alter("trailer's ciphertext", "raw-65537", "damaged", [(-244, 1)])
    v.alter("trailer's tag", "raw-65537", "damaged", [(-1, 0x80)])
    v.swap("two records exchanged", "raw-150000", 512, 512 + RECORD, RECORD, "damaged")


STEM = "db-20251125-103000"
ENVELOPE = {"seal": 1, "tenant": "acme", "backup": STEM, "time": "2025-11-25T10:30:00Z", "imported": False, "committed": "2025-11-25T10:31:00Z",
            "sealed": "2025-11-25T10:31:05Z", "bytes": 300007, "entries": 4, "source": "marked", "writer": fixed("seal writer", 16).hex(),
            "program": "pishopfs 0.1.0", "previous": "0" * 64}


def entry(path, kind, mode, size, **other):
    base = {"path": path, "type": kind, "mode": mode, "uid": 1000, "gid": 4294967295, "mtime": "1764066600.000000005", "size": size,
            "id": fixed(f"seal {path}", 16).hex(), "state": 1, "etag": hashlib.md5(path.encode("utf-8", "surrogateescape")).hexdigest()}
    return {**base, **other}


ENTRIES = [entry(STEM, "folder", 0o2750, 0), entry(STEM + "/a \"quoted\" \\ \udcff\udcfe \u0001", "file", 0o640, 4, mtime="-5.999999999"),
           entry(STEM + "/link", "link", 0o777, 3), entry(STEM + "/metadata.json", "file", 0o600, 300000, state=4, etag="")]


def quoted(text):
    """A string with no more escapes than JSON demands; what is not UTF-8 stands as it is."""
    escaped = [{'"': '\\"', "\\": "\\\\"}.get(c, c if c >= " " else f"\\u{ord(c):04x}") for c in text]
    return f'"{"".join(escaped)}"'


def seal_line(line):
    """line: a dict, or pairs where a member is to stand twice."""
    values = [(name, quoted(v) if isinstance(v, str) else json.dumps(v, separators=(",", ":"))) for name, v in (line.items() if isinstance(line, dict) else line)]
    return ("{" + ",".join(f'"{name}":{v}' for name, v in values) + "}\n").encode("utf-8", "surrogateescape")


def seal_text(envelope=None, entries=None):
    return seal_line({**ENVELOPE, **(envelope or {})}) + b"".join(map(seal_line, ENTRIES if entries is None else entries))


def seal_texts():
    """(why, text, finding)."""
    good = seal_text()
    one = entry("plain", "file", 0, 0)
    yield "as it is written", good, "good"
    yield "without a time", seal_text({"time": None}), "good"
    yield "imported", seal_text({"committed": "2025-11-26T12:30:01Z", "imported": True}), "good"
    yield "a predecessor", seal_text({"previous": "ab" * 32}), "good"
    yield "one empty file", seal_text({"bytes": 0, "entries": 1, "backup": "plain", "time": None}, [one]), "good"
    yield "another version", seal_text({"seal": 2}), "newer"
    yield "nothing listed", seal_text({"bytes": 0, "entries": 0}, []), "damaged"
    yield "imported, and is not", seal_text({"imported": True}), "damaged"
    yield "not imported, and is", seal_text({"committed": "2025-11-26T12:30:01Z"}), "damaged"
    yield "a time in the future", seal_text({"time": "2025-11-26T12:31:01Z"}), "damaged"
    yield "no time that exists", seal_text({"sealed": "2025-02-30T10:31:05Z"}), "damaged"
    yield "a number with a point", good.replace(b'"entries":4', b'"entries":4.0'), "damaged"
    yield "an unknown member", seal_text({"more": 1}), "damaged"
    yield "a member twice", good.replace(b'"entries":4', b'"entries":4,"entries":4'), "damaged"
    yield "a missing member", good.replace(b'"entries":4,', b""), "damaged"
    yield "another sum", seal_text({"bytes": 300008}), "damaged"
    yield "another number", seal_text({"entries": 5}), "damaged"
    yield "not in order", seal_text(entries=[ENTRIES[i] for i in (0, 2, 1, 3)]), "damaged"
    yield "one twice", seal_text({"entries": 5}, [ENTRIES[0], *ENTRIES]), "damaged"
    yield "one more than is told", good + seal_line(entry(STEM + "/z", "file", 0, 0)), "damaged"
    yield "the last is missing", seal_text(entries=ENTRIES[:3]), "damaged"
    yield "cut in the last line", good[:-1], "damaged"
    yield "an empty line", good + b"\n", "damaged"
    yield "a path of another backup", seal_text({"bytes": 0, "entries": 1}, [one]), "damaged"
    yield "a way out", seal_text({"bytes": 0, "entries": 1}, [entry(STEM + "/../x", "file", 0, 0)]), "damaged"
    yield "a slash at the end", seal_text({"bytes": 0, "entries": 1}, [entry(STEM + "/", "folder", 0, 0)]), "damaged"
    for field, value in (("type", "record"), ("mode", 0o10000), ("uid", 1 << 32), ("size", (1 << 47) + 1), ("id", "AB" * 16), ("id", "ab" * 15), ("state", 5),
                         ("mtime", "5"), ("mtime", "5.5"), ("mtime", "05.000000000"), ("mtime", "-0.5"), ("more", 1)):
        size = value if field == "size" else 0
        yield f"an entry's {field}", seal_text({"bytes": size, "entries": 1}, [{**entry(STEM, "file", 0, 0), field: value}]), "damaged"
    yield "a folder with a size", seal_text({"bytes": 1, "entries": 1}, [entry(STEM, "folder", 0, 1)]), "damaged"
    yield "a link without a target", seal_text({"bytes": 0, "entries": 1}, [entry(STEM, "link", 0, 0)]), "damaged"


# ---- The other records, §11 to §13

WRITER = fixed("records writer", 16).hex()
PROGRAM = "pishopfs 0.1.0"
TOMBSTONE = {"tombstone": 1, "backup": STEM, "id": fixed("tombstone id", 16).hex(), "phase": "grace", "trashed": False, "at": "2025-11-25T11:00:00Z",
             "until": "2025-11-28T11:00:00Z", "why": "removed \"by\" \udcff\u0001", "by": f"{WRITER} {PROGRAM}", "epoch": 0, "objects": 4, "bytes": 303000, "seal": None}
REOPEN = {"reopen": 1, "backup": STEM, "at": "2025-11-25T11:00:00Z", "writer": WRITER, "why": "a file was added"}
POLICY = {"policy": 1, "keep-last": 3, "keep-hourly": 0, "keep-daily": 7, "keep-weekly": 4, "keep-monthly": 12, "keep-yearly": 1000000, "keep-within": 86400,
          "max-age": 36525 * 86400, "min-age": 604800, "min-keep": 1, "partial-after": 0, "untimed-by-commit": True}
HOLD = {"backup": STEM, "why": "a dispute, \"7\"", "by": "root", "at": "2025-11-25T12:00:00Z"}
HOLDS = {"holds": 1, "list": [HOLD, {**HOLD, "backup": "other", "why": "", "by": ""}]}
LEASE = {"lease": 1, "writer": WRITER, "epoch": 7, "ttl": 300, "renewed": "2025-11-25T12:00:00Z"}
SEEN = {"backup": STEM, "seal": "an ETag", "listed": "ab" * 32, "state": "sealed", "reason": "", "timed": True, "imported": False, "foreign": False,
        "time": "2025-11-25T10:30:00Z", "committed": "2025-11-25T10:31:00Z", "sealed": "2025-11-25T10:31:05Z", "bytes": 303000, "objects": 4, "scratch": 0}
EVENT = {"audit": 1, "tenant": "acme", "at": "2025-11-25T10:31:05Z", "event": "committed", "backup": STEM, "detail": None, "seal": None, "epoch": 0, "objects": 3,
         "bytes": 300007, "writer": WRITER, "program": PROGRAM, "prev": "0" * 64}
EVENTS = [{}, {"event": "sealed", "detail": "it holds its completeness mark", "seal": fixed("seal id", 16).hex(), "objects": 4},
          {"event": "policy", "backup": None, "detail": "policy: nothing \udcfe is ever removed", "epoch": 7, "objects": 0, "bytes": 0},
          {"event": "removed", "detail": f"first {STEM}/a", "objects": 1, "bytes": 4}]


def chained(lines, prev="0" * 64):
    """The lines of a log, each with the digest of the one before it; and the digest of the last."""
    text = b""
    for line in lines:
        made = seal_line({**EVENT, **line, "prev": prev})
        prev = hashlib.sha256(made[:-1]).hexdigest()
        text += made
    return text, prev


SEGMENT, SEGMENT_END = chained(EVENTS)
SECOND, SECOND_END = chained([{"event": "restored", "detail": "read"}, {"event": "stopped", "backup": None}], SEGMENT_END)
RETENTION = {"retention": 1, "run": "2025-11-25T12:00:00Z", "high": "2025-11-25T12:00:01Z", "backups": 1, "policy": POLICY, "policy_since": "2025-11-24T12:00:00Z",
             "next": None, "next_since": None, "audit": 2, "audit_hash": SECOND_END}
ONE_LINE = {"tombstone": TOMBSTONE, "policy": POLICY, "holds": HOLDS, "lease": LEASE}


def record_objects():
    """(name, text) of those that stand in a bucket together."""
    yield "tombstone", seal_line(TOMBSTONE)
    yield "reopen", seal_line(REOPEN)
    yield "audit-1", SEGMENT
    yield "audit-2", SECOND
    yield "policy", seal_line(POLICY)
    yield "holds", seal_line(HOLDS)
    yield "lease", seal_line(LEASE)
    yield "retention", seal_line(RETENTION) + seal_line(SEEN)


def altered_lines(kind, line):
    """(why, text, finding): what §9 says of every record of one line."""
    good = seal_line(line)
    pairs = list(line.items())
    number = next(name for name, value in pairs[1:] if type(value) is int) if any(type(value) is int for _, value in pairs[1:]) else None
    yield "as it is written", good, "good"
    yield "its members in another order", seal_line(pairs[:1] + pairs[:0:-1]), "good"
    yield "another version", seal_line({**line, kind: 2}), "newer"
    yield "a later version with more in it", seal_line({**line, kind: 3, "more": {"x": [1]}}), "newer"
    yield "a version that is no number", seal_line({**line, kind: "1"}), "damaged"
    yield "its version not first", seal_line(pairs[1:] + pairs[:1]), "damaged"
    yield "another kind", seal_line([("tombstones", 1)] + pairs[1:]), "damaged"
    yield "an unknown member", seal_line({**line, "more": 1}), "damaged"
    yield "its last member twice", seal_line(pairs + pairs[-1:]), "damaged"
    for name, _ in pairs[1:]:
        yield f"without {name}", seal_line({other: value for other, value in pairs if other != name}), "damaged"
    if number:
        before = f'"{number}":{line[number]}'.encode()
        for wrong in (f"{line[number]}.0", f"-{line[number] or 1}", f"0{line[number]}", f"{line[number]}e1", str(1 << 53), "null", '"1"'):
            yield f"{number}: {wrong}", good.replace(before, f'"{number}":{wrong}'.encode()), "damaged"
    yield "nothing", b"", "damaged"
    yield "an empty line behind it", good + b"\n", "damaged"
    yield "the same line again", good + good, "damaged"
    yield "a list", b"[" + good[:-1] + b"]\n", "damaged"
    yield "a byte below 20", good.replace(b"{", b"{\t", 1), "damaged"
    yield "cut in the middle", good[:len(good) // 2], "damaged"
    if kind != "policy":  # within another record it has no line end
        yield "without its line end", good[:-1], "damaged"


def values(kind, line, name, good, bad):
    for finding, listed in (("good", good), ("damaged", bad)):
        for value in listed:
            yield f"{name}: {str(value)[:40]}", seal_line({**line, name: value}), finding


def record_values():
    """(kind, why, text, finding): what single members may be."""
    wrong_times = ["2025-11-25", "2025-11-25T11:00:00+00:00", "2025-11-25T24:00:00Z", "2025-02-30T11:00:00Z", "", 1764066600, None]
    wrong_ids = ["AB" * 16, "ab" * 15, "ab" * 17, "", None]
    wrong_stems = ["", "x" * 256, None, 1]
    rules = {
        "tombstone": [("backup", ["x", "x" * 255], wrong_stems), ("id", ["ab" * 16], wrong_ids), ("phase", ["deleting"], ["Grace", "", None]),
                      ("trashed", [True], [1, "true", None]), ("until", ["9999-12-31T23:59:59Z"], wrong_times), ("at", [], wrong_times), ("why", [""], [None, 1]),
                      ("by", ["", "x" * 127], ["x" * 128, None]), ("epoch", [(1 << 53) - 1], [-1]),
                      ("seal", ["", seal_text().decode("utf-8", "surrogateescape")], [1, {}])],
        "policy": [("keep-last", [0, 1000000], [1000001, True]), ("keep-yearly", [0], [1000001]), ("min-keep", [1, 1000000], [0, 1000001]),
                   ("max-age", [0], [36525 * 86400 + 1]), ("partial-after", [36525 * 86400], [36525 * 86400 + 1]), ("untimed-by-commit", [False], [0, None, "no"])],
        "holds": [("list", [[], [HOLD]], [None, {}, [1], [HOLD, HOLD], [{**HOLD, "backup": ""}], [{**HOLD, "at": "now"}], [{**HOLD, "more": 1}],
                                          [{name: value for name, value in HOLD.items() if name != "by"}]])],
        "lease": [("writer", [None], ["AB" * 16, ""]), ("epoch", [1], [0]), ("ttl", [1, 86400], [0, 86401]), ("renewed", [], wrong_times)],
    }
    for kind, members in rules.items():
        for name, good, bad in members:
            yield from ((kind, *case) for case in values(kind, ONE_LINE[kind], name, good, bad))


def audit_texts():
    """(why, text, finding) of the first segment of the tenant acme."""
    lines = SEGMENT.splitlines(keepends=True)
    yield "as it is written", SEGMENT, "good"
    yield "one line", lines[0], "good"
    yield "nothing", b"", "damaged"
    yield "the first line is missing", b"".join(lines[1:]), "damaged"
    yield "a line is missing", lines[0] + lines[2] + lines[3], "damaged"
    yield "two lines exchanged", lines[0] + lines[2] + lines[1] + lines[3], "damaged"
    yield "a line twice", lines[0] + lines[0] + b"".join(lines[1:]), "damaged"
    yield "a byte of a line changed", SEGMENT.replace(b"300007", b"300008", 1), "damaged"
    yield "a blank more in a line", SEGMENT.replace(b'"objects":3', b'"objects": 3', 1), "damaged"
    yield "cut in the last line", SEGMENT[:-1], "damaged"
    yield "an empty line", SEGMENT + b"\n", "damaged"
    yield "the second segment in its place", SECOND, "damaged"
    yield "of another tenant", chained([{"tenant": "other"}])[0], "damaged"
    yield "one line of another tenant", chained([{}, {"tenant": "other"}])[0], "damaged"
    yield "another version", chained([{"audit": 2}])[0], "newer"
    yield "another version behind a good line", chained([{}, {"audit": 2}])[0], "newer"
    yield "an unknown member", chained([{"more": 1}])[0], "damaged"
    yield "a missing member", chained([{}])[0].replace(b'"epoch":0,', b""), "damaged"
    yield "a member twice", chained([{}])[0].replace(b'"epoch":0', b'"epoch":0,"epoch":0'), "damaged"
    for event in ("committed", "sealed", "reopened", "removed", "tombstoned", "undeleted", "deleting", "deleted", "restored", "policy", "hold", "unhold", "damage",
                  "verified", "stopped"):
        yield f"event {event}", chained([{"event": event}])[0], "good"
    for name, good, bad in (("event", [], ["seal", "", None]), ("backup", [None, "x" * 255], ["", "x" * 256]), ("detail", [""], [1]),
                            ("seal", ["ab" * 16], ["AB" * 16, "ab" * 15, ""]), ("at", [], ["2025-11-25", None]), ("epoch", [(1 << 53) - 1], [1 << 53, 1.5]),
                            ("writer", [], ["", None, "AB" * 16]), ("program", ["x" * 63], ["", "x" * 64, None]), ("tenant", [], ["", None, 1])):
        for finding, listed in (("good", good), ("damaged", bad)):
            for value in listed:
                yield f"{name}: {str(value)[:40]}", chained([{name: value}])[0], finding
    for prev in ("1" + "0" * 63, "", "0" * 63, None):
        yield f"prev: {prev}", seal_line({**EVENT, "prev": prev}), "damaged"


def retention_texts():
    good = seal_line(RETENTION) + seal_line(SEEN)
    yield "as it is written", good, "good"
    yield "its first line alone", seal_line(RETENTION), "good"
    yield "no run yet", seal_line({**RETENTION, "run": None}), "good"
    yield "a policy that waits", seal_line({**RETENTION, "next": {**POLICY, "keep-last": 1}, "next_since": "2025-11-25T12:00:00Z"}), "good"
    yield "another version", seal_line({**RETENTION, "retention": 2}), "newer"
    yield "a policy of another version", seal_line({**RETENTION, "policy": {**POLICY, "policy": 2}}), "newer"
    yield "a policy that waits, and since when is not told", seal_line({**RETENTION, "next": POLICY}), "damaged"
    yield "since when a policy waits, and none does", seal_line({**RETENTION, "next_since": "2025-11-25T12:00:00Z"}), "damaged"
    yield "no policy", seal_line({**RETENTION, "policy": None}), "damaged"
    yield "a policy with an unknown member", seal_line({**RETENTION, "policy": {**POLICY, "more": 1}}), "damaged"
    yield "an unknown member", seal_line({**RETENTION, "more": 1}), "damaged"
    yield "a backup twice", good + seal_line(SEEN), "damaged"
    yield "a state that is none", seal_line(RETENTION) + seal_line({**SEEN, "state": "good"}), "damaged"
    yield "an unknown member of a backup", seal_line(RETENTION) + seal_line({**SEEN, "more": 1}), "damaged"
    yield "cut", good[:-1], "damaged"
    yield "nothing", b"", "damaged"
    for name in list(RETENTION)[1:]:
        yield f"without {name}", seal_line({other: value for other, value in RETENTION.items() if other != name}), "damaged"
    for name in SEEN:
        yield f"a backup without {name}", seal_line(RETENTION) + seal_line({other: value for other, value in SEEN.items() if other != name}), "damaged"


def record_texts():
    """(kind, why, text, finding)."""
    for kind, line in ONE_LINE.items():
        yield from ((kind, *case) for case in altered_lines(kind, line))
    yield from record_values()
    yield from (("audit", *case) for case in audit_texts())
    yield from (("retention", *case) for case in retention_texts())


def key_texts():
    """(hex of what the operator gave, what it is)."""
    hex_key, plain = RAW_KEY.hex(), base64.b64encode(RAW_KEY).decode()
    with_signs = base64.b64encode(b"\xfb\xff" * 16).decode()
    assert "+" in with_signs and "/" in with_signs
    url = base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode()
    raw = [hex_key, hex_key.upper(), hex_key + "\n", hex_key + "\r\n", plain, plain + "\n", with_signs, "0" * 64]
    refused = ["", "\n", "\r\n", hex_key[:-1], hex_key + "0", hex_key[:-1] + "\n", plain[:-1], plain[:-2] + "9=", url, url[:-1], "A" * 44,
               "A" * 42 + "==", hex_key + "\n\n", hex_key + "\r", " " + hex_key, hex_key + " ", f'"{hex_key}"', f"'{plain}'", "\t" + plain[:-1],
               "eleven char", "eleven char\n", "a" * 1025, "a passphrase\twith a tab", "a passphrase\nof two lines", "a passphrase\n\n",
               "a passphrase \x7f", "a passphrase \0"]
    phrase = ["twelve chars", "twelve chars\n", "a" * 1024, " leading and trailing ", '"quoted passphrase"', "пароль длинный", hex_key[:-2], hex_key + "00",
              hex_key[:-1] + "g", plain[:-2], "A" * 45, "A" * 41 + "===", plain[:-1] + "==", hex_key + "=", "with-url_alphabet" + "A" * 27]
    listed = [("raw", raw), ("refused", refused), ("passphrase", phrase)]
    return [[text.encode().hex(), kind] for kind, texts in listed for text in texts]


def derived_values():
    """Every value on the way from the key to the first record of raw-1."""
    s = Secrets("raw-1")
    kek = kek_of("raw")
    name = hkdf(kek, None, b"pishopfs/v1/key-id")[:8]
    info = b"pishopfs/v1/wrap" + bytes([1, 1, 0, 1]) + name + s.id
    passphrase_kek = kek_of("passphrase")
    values = {
        "kek": kek, "key_id": name, "dek": s.dek, "salt": s.salt, "object_id": s.id, "wrap_info": info, "wrap_key": hkdf(kek, None, info),
        "wrapped_dek": gcm(hkdf(kek, None, info), bytes(12), s.dek, None), "content_key": s.derive(b"content"),
        "header_mac_key": s.derive(b"header-mac"), "commitment": s.derive(b"commitment"), "passphrase_salt": PASSPHRASE_SALT,
        "passphrase_kek": passphrase_kek, "passphrase_key_id": hkdf(passphrase_kek, None, b"pishopfs/v1/key-id")[:8],
    }
    return {field: value.hex() for field, value in values.items()}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.bin"):
        old.unlink()
    v = Vectors(folder)
    good_objects(v)
    faulty_writers(v)
    alterations(v)
    lines = [f'{{"keys": {json.dumps(KEYS)},', f' "derived": {json.dumps(derived_values(), indent=1)},', ' "objects": [']
    lines += [",\n".join("  " + json.dumps(o) for o in v.objects), " ],", ' "tampered": [']
    lines += [",\n".join("  " + json.dumps(t) for t in v.tampered), " ],", ' "key_texts": [']
    lines += [",\n".join("  " + json.dumps(t) for t in key_texts()), " ],", ' "seals": [']
    lines += [",\n".join("  " + json.dumps([why, text.hex(), finding]) for why, text, finding in seal_texts()), " ],", ' "records": [']
    lines += [",\n".join("  " + json.dumps([kind, why, text.hex(), finding]) for kind, why, text, finding in record_texts()), " ]}"]
    (folder / "vectors.json").write_text("\n".join(lines) + "\n")
    print(f"{len(v.objects)} objects, {len(v.tampered)} alterations")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "vectors")
