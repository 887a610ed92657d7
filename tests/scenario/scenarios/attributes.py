# SPDX-License-Identifier: Apache-2.0
"""Modes, owners, times and sizes outlive the mount."""
import os
import time

from harness import expect, scenario, trees
from harness.failure import expect_equal


@scenario(notices=("attrs",))
def chmod_chown_touch(fx):
    """chmod, chown and touch -d of closed files, folders and links stay in a new mount; contents are untouched."""
    fx.sh("mkdir d; head -c 200000 /dev/urandom >big; cp big $W/; echo small >d/small; : >empty; ln -s big link")
    fx.sh("chmod 0600 big; chmod 0751 d; chmod 04711 d/small; chmod u+x,g-r empty; chown 12:34 big; chown -h 56:78 link; chown 90 d; chgrp 91 empty")
    fx.sh("touch -d '2001-02-03 04:05:06.123456789Z' big; touch -d '1969-12-31 23:00:00Z' d/small; touch -d '2038-02-01Z' empty; touch -d '2010-10-10Z' d")
    wanted = trees.snapshot(fx.mnt)
    folder = os.stat("/backup/d").st_mtime_ns
    fx.remount()
    trees.same(trees.snapshot(fx.mnt), wanted, "attributes in a new mount")
    expect_equal(os.stat("/backup/d").st_mtime_ns, folder, "mtime of the folder")
    expect_equal(fx.sh("stat -c '%a %u:%g %y' big").strip()[:43], "600 12:34 2001-02-03 04:05:06.123456789 +00", "stat of big")
    fx.sh("cmp big $W/big; chmod 0644 big; cmp big $W/big")


@scenario()
def times_do_not_move(fx):
    """Size, mtime, ctime and inode number of a written file are the same before and after close, and the mtime in a new mount: tar
    and rsync rely on it."""
    path = "/backup/file"
    with open(path, "wb") as file:
        file.write(b"x" * 100_000)
        file.flush()
        inside = os.fstat(file.fileno())
    first = os.stat(path)
    time.sleep(0.3)
    second = os.stat(path)
    for field in ("st_ino", "st_size"):
        expect_equal(getattr(first, field), getattr(inside, field), f"{field} after close")
    for field in ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"):
        expect_equal(getattr(second, field), getattr(first, field), f"{field} a moment later")
    fx.sh("tar -cf $W/t.tar file 2>&1 | grep -q changed && exit 1 || true")
    fx.remount()
    third = os.stat(path)
    expect_equal((third.st_mtime_ns, third.st_size), (first.st_mtime_ns, first.st_size), "mtime and size in a new mount")
    expect(abs(third.st_mtime - time.time()) < 120, "the mtime is not about now")


@scenario()
def touch_and_now(fx):
    """touch of a new and of an old file, utimens with now and omit, and a write that moves the mtime forward."""
    fx.sh("touch new; touch -d 2000-01-01 old; touch old2; touch -r old old2; cp -p old copy; touch -a -d 2001-01-01 old; touch -m -d 2002-02-02 copy")
    expect_equal(fx.sh("stat -c %s new; stat -c %Y old old2; stat -c %Y copy"), "0\n946684800\n946684800\n1012608000\n", "times")
    fx.sh("echo more >>old; test $(stat -c %Y old) -gt 1000000000")
    fx.remount()
    expect_equal(fx.sh("cat old; stat -c %Y old2 copy"), "more\n946684800\n1012608000\n", "in a new mount")


@scenario(notices=("bytes",))
def truncate_sizes(fx):
    """truncate down, up, to nothing, by path and by descriptor, closed and open, around the borders of chunks."""
    content = fx.bytes(400_000)
    for size in (0, 1, 65535, 65536, 65537, 131072, 399_999, 400_000, 400_001, 600_000):
        for way in ("path", "descriptor", "written"):
            name = f"/backup/{way}-{size}"
            with open(name, "wb") as file:
                file.write(content)
                if way == "written":
                    file.flush()
                    file.truncate(size)
            if way == "path":
                os.truncate(name, size)
            if way == "descriptor":
                descriptor = os.open(name, os.O_RDWR)
                os.ftruncate(descriptor, size)
                os.close(descriptor)
    fx.remount()
    for size in (0, 1, 65535, 65536, 65537, 131072, 399_999, 400_000, 400_001, 600_000):
        for way in ("path", "descriptor", "written"):
            with open(f"/backup/{way}-{size}", "rb") as file:
                expect(file.read() == content[:size].ljust(size, b"\0"), f"{way}: wrong content after truncate to {size}")
