# SPDX-License-Identifier: Apache-2.0
"""Folders as values: what is in one, and where two differ."""
import hashlib
import os
import random
import stat
from pathlib import Path

from .failure import Failure


def digest(path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def snapshot(folder, times=True, owners=True) -> dict:
    """{relative path: type, mode, size, content and, where wanted, owner and mtime} of everything below folder.
    times: True to the nanosecond, "seconds" as tar keeps them, False not at all.    A folder's mtime is left out: it moves whenever an entry does."""
    folder, found = os.fsencode(folder), {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            entry = {"mode": oct(status.st_mode)}
            if owners:
                entry["owner"] = (status.st_uid, status.st_gid)
            if stat.S_ISLNK(status.st_mode):
                entry["target"] = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                entry.update(size=status.st_size, sha256=digest(path), **({"mtime": status.st_mtime_ns // (10**9 if times == "seconds" else 1)} if times else {}))
            found[os.path.relpath(path, folder)] = entry
    return found


def same(got: dict, wanted: dict, what):
    """A Failure that names the first differences."""
    lines = [f"missing: {name!r}" for name in wanted if name not in got]
    lines += [f"too much: {name!r}" for name in got if name not in wanted]
    lines += [f"{name!r}: wanted {wanted[name]}, got {got[name]}" for name in wanted if name in got and got[name] != wanted[name]]
    if lines:
        raise Failure(f"{what}: {len(lines)} differences:\n" + "\n".join(sorted(lines)[:20]))


def fill(folder: Path, seed=1, files=40, biggest=300_000):
    """A tree with files of many sizes (0, 1, around a chunk), folders within folders, an empty folder, links, modes and old times."""
    rng = random.Random(seed)
    sizes = [0, 1, 239, 4096, 65535, 65536, 65537, 131072, 131073]
    for number in range(files):
        place = folder / f"d{number % 5}" / ("deep/er" if number % 3 == 0 else "")
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"file-{number}.bin"
        path.write_bytes(rng.randbytes(sizes[number] if number < len(sizes) else rng.randrange(biggest)))
        path.chmod(rng.choice([0o644, 0o600, 0o755, 0o440]))
        when = 1_700_000_000_000_000_000 + rng.randrange(10**17)
        os.utime(path, ns=(when, when))
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "link").symlink_to("d0/file-5.bin")
    (folder / "dangling").symlink_to("nowhere/at all")
    return folder
