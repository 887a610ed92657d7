#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Second reader of the object format, written from docs/format.md alone: it shares no code with the C reader, so that both check the page.

usage: reader.py KEYFILE OBJECT [--attrs]
Prints the content, or with --attrs the attributes as JSON. Needs the package `cryptography`.
Exit status: 0 good, 2 usage or key text, 10 foreign, 11 newer format, 12 other key, 13 damaged, 14 cut short or extended.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = bytes.fromhex("89505346 0D0A1A0A")
HEADER, TRAILER, CHUNK, EXTRA = 512, 256, 65536, 28
RECORD = CHUNK + EXTRA
RAW, PASSPHRASE = 1, 2
PARAMS = {RAW: bytes([0, 0, 0]), PASSPHRASE: bytes([15, 8, 3])}
PLAIN_MAX = 1 << 47
STANDARD, EITHER = "[A-Za-z0-9+/]", "[A-Za-z0-9+/_-]"


class Finding(Exception):
    """What §7 says of an object; the class tells which."""
    code = 13


class Foreign(Finding):
    code = 10


class Newer(Finding):
    code = 11


class OtherKey(Finding):
    code = 12


class Damaged(Finding):
    code = 13


class Cut(Finding):
    code = 14


class BadKeyText(Exception):
    pass


def hkdf(ikm, salt, info):
    """RFC 5869 with one block of output, from HMAC alone."""
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def raw_key(text):
    if re.fullmatch("[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    if re.fullmatch(STANDARD + "{43}=", text):
        key = base64.b64decode(text)
        if base64.b64encode(key).decode() == text:
            return key
    return None


def near_miss(text):
    shapes = ["[0-9A-Fa-f]{63}", "[0-9A-Fa-f]{65}", STANDARD + "{44}", STANDARD + "{42}==", EITHER + "{43}=?"]
    return any(re.fullmatch(shape, text) for shape in shapes)


class Key:
    """The key of a reader: a raw one, or a passphrase that gives one KEK a salt."""

    def __init__(self, data):
        for ending in (b"\r\n", b"\n"):
            if data.endswith(ending):
                data = data[:-len(ending)]
                break
        text = data.decode("latin-1")
        self.raw = raw_key(text)
        self.keks = {}
        if self.raw:
            self.kind = RAW
            return
        inner = text.strip(" \t\r\n\"'")
        if near_miss(text) or near_miss(inner) or raw_key(inner):
            raise BadKeyText("looks like a key with a slip in it")
        if not 12 <= len(data) <= 1024 or any(b < 0x20 or b == 0x7F for b in data):
            raise BadKeyText("a passphrase has 12 to 1024 bytes, none of them a control character")
        self.kind = PASSPHRASE
        self.passphrase = data

    def kek(self, salt):
        if self.kind == RAW:
            return self.raw
        if salt not in self.keks:
            self.keks[salt] = hashlib.scrypt(self.passphrase, salt=salt, n=1 << 15, r=8, p=3, maxmem=1 << 27, dklen=32)
        return self.keks[salt]


def key_id(kek):
    return hkdf(kek, b"", b"pishopfs/v1/key-id")[:8]


def unwrap(key, number, slot, version_suite, object_id):
    """The DEK, or None for a slot that is not the reader's."""
    kind, params, name, salt = slot[0], slot[1:4], slot[4:12], slot[12:44]
    if kind != key.kind or params != PARAMS[kind]:
        return None
    kek = key.kek(salt)
    if key_id(kek) != name:
        return None
    info = b"pishopfs/v1/wrap" + version_suite + bytes([number, kind]) + name + object_id
    try:
        return AESGCM(hkdf(kek, b"", info)).decrypt(bytes(12), slot[44:92], None)
    except InvalidTag:
        raise Damaged("header: the wrapped key does not open") from None


def find_dek(key, header, slots):
    for number, slot in enumerate(slots):
        dek = unwrap(key, number, slot, header[8:10], header[16:32])
        if dek:
            return dek
    raise OtherKey(f"needs the key {slots[0][4:12].hex()}")


def reserved_bytes(header, slots):
    yield header[14:16]
    yield header[96 + 96 * len(slots):480]
    for slot in slots:
        if PARAMS.get(slot[0]) == slot[1:4]:
            yield slot[92:96]
            if slot[0] == RAW:
                yield slot[12:44]


def open_header(key, header):
    """Object id and content key."""
    if header[:8] != MAGIC:
        raise Foreign("no magic: not written by pishopfs")
    if len(header) < HEADER:
        raise Cut("shorter than a header")
    version, suite, chunk_log2, count, length = struct.unpack(">BBBBH", header[8:14])
    if (version, suite, chunk_log2, length) != (1, 1, 16, HEADER):
        raise Newer(f"version {version}, suite {suite}: use a newer program")
    if not 1 <= count <= 4:
        raise Damaged("header: number of slots")
    slots = [header[96 + 96 * i:192 + 96 * i] for i in range(count)]
    salt = header[32:64]
    dek = find_dek(key, header, slots)
    if not hmac.compare_digest(hkdf(dek, salt, b"pishopfs/v1/commitment"), header[64:96]):
        raise Damaged("header: key commitment")
    mac_key = hkdf(dek, salt, b"pishopfs/v1/header-mac")
    if not hmac.compare_digest(hmac.new(mac_key, header[:480], hashlib.sha256).digest(), header[480:]):
        raise Damaged("header: MAC")
    if any(any(part) for part in reserved_bytes(header, slots)):
        raise Damaged("header: reserved bytes")
    return header[16:32], hkdf(dek, salt, b"pishopfs/v1/content")


def plain_size(length):
    q = length - HEADER - TRAILER
    m = -(-q // RECORD)
    n = q - RECORD * (m - 1) - EXTRA
    if q < EXTRA or n < 0 or (n == 0 and m > 1) or q - EXTRA * m > PLAIN_MAX:
        raise Cut(f"no file has an object of {length} bytes")
    return q - EXTRA * m, m


class Object:
    def __init__(self, key, file):
        self.file = file
        self.length = os.fstat(file.fileno()).st_size
        self.id, content_key = open_header(key, file.read(HEADER))
        self.gcm = AESGCM(content_key)
        self.size, self.chunks = plain_size(self.length)
        self.attrs = self.read_trailer()

    def open_record(self, offset, length, k, kind):
        self.file.seek(offset)
        record = self.file.read(length)
        return self.gcm.decrypt(record[:12], record[12:], self.id + struct.pack(">QB", k, kind))

    def open_chunk(self, k):
        last = k == self.chunks - 1
        start = HEADER + RECORD * k
        end = self.length - TRAILER if last else start + RECORD
        return self.open_record(start, end - start, k, 1 if last else 0)

    def read_trailer(self):
        try:
            body = self.open_record(self.length - TRAILER, TRAILER, self.chunks, 2)
        except InvalidTag:
            self.judge_end()
        return self.parse_trailer(body)

    def judge_end(self):
        try:
            self.open_chunk(self.chunks - 1)
        except InvalidTag:
            raise Cut("neither the trailer nor the last record opens") from None
        raise Damaged("trailer: tag") from None

    def parse_trailer(self, body):
        kind, state, zero0, mode, uid, gid, mtime, mtime_ns, zero1, size = struct.unpack(">BBHIIIqIIQ", body[:40])
        committed, committed_ns, zero2, commit_id, writer_id = struct.unpack(">qII16s16s", body[40:88])
        if not 1 <= kind <= 4 or state > 4 or mode > 0o7777 or mtime_ns > 999999999 or committed_ns > 999999999:
            raise Damaged("trailer: a value out of range")
        if zero0 or zero1 or zero2 or any(body[88:]):
            raise Damaged("trailer: reserved bytes")
        if (kind == 2 and size) or (kind == 3 and not 1 <= size <= 4095):
            raise Damaged("trailer: a size that its type cannot have")
        if size != self.size:
            raise Cut(f"the trailer says {size} bytes, the length {self.size}")
        return {"type": kind, "state": state, "mode": mode, "uid": uid, "gid": gid, "mtime": mtime, "mtime_ns": mtime_ns, "size": size,
                "committed": committed, "committed_ns": committed_ns, "commit_id": commit_id.hex(), "writer_id": writer_id.hex(),
                "object_id": self.id.hex()}

    def content(self):
        for k in range(self.chunks):
            try:
                data = self.open_chunk(k)
            except InvalidTag:
                raise Damaged(f"record {k}, bytes {k * CHUNK} and on") from None
            if self.attrs["type"] == 3 and b"\0" in data:
                raise Damaged("a link's target with a zero byte")
            yield data


def main(argv):
    attrs = "--attrs" in argv
    names = [a for a in argv if a != "--attrs"]
    if len(names) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(names[0], "rb") as file:
            key = Key(file.read())
        with open(names[1], "rb") as file:
            entry = Object(key, file)
            if attrs:
                print(json.dumps(entry.attrs, sort_keys=True))
            else:
                for data in entry.content():
                    sys.stdout.buffer.write(data)
    except BadKeyText as problem:
        print(f"{names[0]}: {problem}", file=sys.stderr)
        return 2
    except Finding as finding:
        print(f"{names[1]}: {type(finding).__name__.lower()}: {finding}", file=sys.stderr)
        return finding.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
