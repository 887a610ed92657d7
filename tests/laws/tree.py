# SPDX-License-Identifier: Apache-2.0
"""What the laws share: the rooms, and walking over their files."""
import subprocess
import sys
from pathlib import Path

# A room and what it may include of ours (docs/design.md, "Rooms").
ROOMS = {
    "base": (),
    "s3": ("base",),
    "crypto": ("base",),
    "vault": ("s3", "crypto", "base"),
    "fs": ("vault", "base"),
    "tools": ("vault", "base"),
}


def root() -> Path:
    """The tree to judge: the first argument, else the checkout that holds this file."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]


def sources(top: Path, *suffixes):
    """(room, path) of every product file with one of the suffixes."""
    for room in ROOMS:
        for path in sorted((top / room).rglob("*")):
            if path.suffix in suffixes:
                yield room, path


def tracked(top: Path):
    """Files that git knows, or every file where there is no git."""
    if (top / ".git").exists():
        listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(top), "ls-files", "-z"], check=True, stdout=subprocess.PIPE).stdout
        return [top / name for name in listed.decode().split("\0") if name and (top / name).is_file()]
    return [path for path in sorted(top.rglob("*")) if path.is_file()]


def verdict(broken):
    """Prints what is broken and ends the law."""
    for line in broken:
        print(line)
    sys.exit(1 if broken else 0)
