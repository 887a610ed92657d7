# SPDX-License-Identifier: Apache-2.0
"""Damage done to the plain folder between two mounts. A scenario that still passes then compares nothing: it must be mended."""
import os
from pathlib import Path


def regular_files(folder: Path):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def flip_bytes(folder: Path):
    """One bit in the middle of every file; size and times stay."""
    for path in regular_files(folder):
        status = path.stat()
        if status.st_size:
            with path.open("r+b") as file:
                file.seek(status.st_size // 2)
                byte = file.read(1)[0]
                file.seek(status.st_size // 2)
                file.write(bytes([byte ^ 1]))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def change_attributes(folder: Path):
    """Another mode and another time for everything."""
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode ^ 0o010)
            os.utime(path, (1, 1))


def lose_one(folder: Path):
    """The last file, link or empty folder by name is gone."""
    leaves = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file() or not any(path.iterdir())]
    if leaves:
        leaves[-1].rmdir() if leaves[-1].is_dir() and not leaves[-1].is_symlink() else leaves[-1].unlink()


KINDS = {"bytes": flip_bytes, "attrs": change_attributes, "loss": lose_one}


def apply(name, folder: Path):
    print(f"sabotage: {name}")  # a failure before this line is not the one that is wanted
    KINDS[name](folder)
