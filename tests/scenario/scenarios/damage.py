# SPDX-License-Identifier: Apache-2.0
"""Objects changed behind the mount: an error and a log line that says what, never wrong data."""
import errno

from harness import expect, scenario
from harness.failure import expect_equal
from harness.objects import CHUNK, HEADER, TRAILER, objects
from harness.registry import MOUNTS

SIZE = 5 * 65536 + 1000


def refuses(fx, name, *words, codes=(errno.EIO, errno.EACCES)):
    """Reading the file must fail with one of the codes, and the log must say each word in one line."""
    try:
        with open(f"/backup/{name}", "rb") as file:
            while file.read(65536):
                pass
    except OSError as error:
        expect(error.errno in codes, f"{name}: {error}")
    else:
        expect(False, f"{name} could be read to its end")
    expect(fx.logged(name, *words), f"no log line with {name!r} and {words}; {fx.log_tail()}")


def written(fx, *names):
    """Files of six chunks, out of the mount; returns the store's objects."""
    for name in names:
        (fx.mnt / name).write_bytes(fx.bytes(SIZE))
    fx.unmount()
    return objects(fx)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


@scenario(stores=MOUNTS)
def flipped_bits(fx):
    """One bit flipped in the header, in a slot, in a chunk, in the last chunk or in the trailer: EIO."""
    places = {"magic": 3, "commitment": 70, "slot": 150, "header-mac": 490, "first": HEADER + 100, "middle": HEADER + 2 * CHUNK + 5000, "last": HEADER + 5 * CHUNK + 40,
              "trailer": -100, "tag": HEADER + CHUNK - 1}
    store = written(fx, *places, "good")
    for name, at in places.items():
        key = store.find(f"/{name}")
        data = store.get(key)
        store.put(key, flip(data, at if at >= 0 else len(data) + at))
    fx.mount()
    for name in places:
        refuses(fx, name)
    expect_equal((fx.mnt / "good").stat().st_size, SIZE, "the untouched file")
    fx.sh("cat good | wc -c")


@scenario(stores=MOUNTS)
def cut_objects(fx):
    """An object cut at a chunk, inside of one, in the trailer, in the header, to nothing; or with bytes added: EIO or EACCES."""
    ends = {"at-chunk": HEADER + 3 * CHUNK, "at-chunk-with-trailer": None, "in-chunk": HEADER + 2 * CHUNK + 77, "in-trailer": -10, "in-header": 300, "nothing": 0}
    store = written(fx, *ends, "longer")
    for name, end in ends.items():
        key = store.find(f"/{name}")
        data = store.get(key)
        store.put(key, data[:HEADER + 3 * CHUNK] + data[-TRAILER:] if end is None else data[:end])
    key = store.find("/longer")
    store.put(key, store.get(key) + b"x")
    fx.mount()
    for name in [*ends, "longer"]:
        refuses(fx, name)


@scenario(stores=MOUNTS)
def swapped_chunks(fx):
    """Two chunks of one file exchanged, a chunk of another file, a whole trailer of another file: EIO."""
    store = written(fx, "swapped", "foreign-chunk", "foreign-trailer", "donor")
    donor = store.get(store.find("/donor"))

    def chunk(data, number):
        return data[HEADER + number * CHUNK:HEADER + (number + 1) * CHUNK]
    changes = {"swapped": lambda d: d[:HEADER] + chunk(d, 1) + chunk(d, 0) + d[HEADER + 2 * CHUNK:],
               "foreign-chunk": lambda d: d[:HEADER + CHUNK] + chunk(donor, 1) + d[HEADER + 2 * CHUNK:],
               "foreign-trailer": lambda d: d[:-TRAILER] + donor[-TRAILER:]}
    for name, change in changes.items():
        key = store.find(f"/{name}")
        store.put(key, change(store.get(key)))
    fx.mount()
    for name in changes:
        refuses(fx, name)


@scenario(stores=MOUNTS)
def old_chunk_in_new_version(fx):
    """A chunk of the file's earlier version, put into the newer one, is refused: a change draws a new key."""
    (fx.mnt / "file").write_bytes(fx.bytes(SIZE))
    fx.unmount()
    store = objects(fx)
    key = store.find("/file")
    old = store.get(key)
    fx.mount()
    fx.sh("printf changed | dd of=file oflag=seek_bytes seek=70000 conv=notrunc status=none")
    fx.unmount()
    new = store.get(key)
    store.put(key, new[:HEADER + CHUNK] + old[HEADER + CHUNK:HEADER + 2 * CHUNK] + new[HEADER + 2 * CHUNK:])
    fx.mount()
    refuses(fx, "file")


@scenario(stores=MOUNTS)
def replaced_by_plain(fx):
    """A plain object in the place of an encrypted one: listed with mode 000 and its true size, EACCES on open; with --foreign=read it
    can be read."""
    store = written(fx, "file")
    store.put(store.find("/file"), b"attacker's plain text")
    fx.mount()
    status = (fx.mnt / "file").stat()
    expect_equal((status.st_mode & 0o777, status.st_size), (0, 21), "mode and size of the foreign object")
    refuses(fx, "file", codes=(errno.EACCES,))
    fx.remount("--foreign=read")
    expect_equal(fx.sh("cat file"), "attacker's plain text", "the foreign object, read on demand")


@scenario(stores=MOUNTS)
def damaged_while_mounted(fx):
    """Damage done while the mount runs is found at the next read from the store, and other files stay readable."""
    (fx.mnt / "bad").write_bytes(fx.bytes(3_000_000))
    (fx.mnt / "good").write_bytes(fx.bytes(100))
    fx.remount()
    fx.sh("head -c 10 bad | wc -c")
    store = objects(fx)
    key = store.find("/bad")
    store.put(key, flip(store.get(key), 2_000_000))
    fx.sh("echo 3 >/proc/sys/vm/drop_caches || true")
    refuses(fx, "bad", codes=(errno.EIO, errno.ESTALE))
    fx.sh("cat good | wc -c | grep -qx 100")


@scenario(stores=MOUNTS, limit=240, asan=False)
def replaced_behind_the_mount(fx):
    """A file replaced by another mount shows its new size and content within two minutes (what the kernel and what the mount remember); an old handle gets ESTALE or the old content,
    never a mixture."""
    other = fx.work / "other"
    (fx.mnt / "file").write_bytes(b"A" * 10_000)
    fx.sh("cat file | sha256sum")
    second = fx.mount(at=other)
    (other / "file").write_bytes(b"B" * 20_000)
    fx.unmount(second)
    fx.sh("for i in $(seq 250); do test $(stat -c %s file) = 20000 && break; sleep 0.5; done; test $(stat -c %s file) = 20000; test $(tr -d B <file | wc -c) = 0")
