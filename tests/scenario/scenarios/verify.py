# SPDX-License-Identifier: Apache-2.0
"""Verification on a real store: each kind of damage is found, by path; a clean bucket has none; samples, killed runs and the mount's own rounds."""
import json
import os
import signal
import subprocess
import time

from harness import expect, scenario
from harness.failure import expect_equal
from harness.objects import HEADER, objects
from harness.registry import DIR, MOUNTS, S3

A, B = "db-20261101-010000", "db-20261102-010000"
BAD = 1  # exit code: something is not as it should be


def folder(name, files=3, size=20000):
    """Commands that make a backup of so many files, which is sealed when the mount ends."""
    return (f"mkdir -p {name}/db; for i in $(seq {files}); do head -c {size} /dev/urandom >{name}/db/$i.bson; done; echo '{{}}' >{name}/metadata.json")


def verify(fx, *words, code=0):
    """(what it found as {(path or None, fault)}, the whole document)."""
    text = fx.ctl("verify", "--json", *words, code=code)
    found = json.loads(text[text.index('{"faults"'):].splitlines()[0])
    return {(fault["path"], fault["fault"]) for fault in found["faults"]}, found


def finds(fx, *faults, quick=True):
    """Exactly these faults, all in the backup A, by a full run and, where a listing can tell, by a quick one; B stays good."""
    for mode in ("--quick", "--full"):
        seen = quick or mode == "--full"
        got, document = verify(fx, mode, "acme", code=BAD if seen else 0)
        expect_equal(got, set(faults) if seen else set(), f"what verify {mode} finds")
        expect_equal((document["good"], document["bad"], document["complete"]), (1, 1, True) if seen else (2, 0, True), f"the counts of verify {mode}")
        expect_equal({fault["backup"] for fault in document["faults"]}, {A} if seen else set(), "the backup that is named")


def clean(fx):
    for mode in ("--quick", "--full"):
        got, document = verify(fx, mode, "acme")
        expect_equal((got, document["good"], document["bad"]), (set(), 2, 0), f"verify {mode} of what is whole")


def two_backups(fx):
    """Two sealed folders, and the objects of the store."""
    fx.sh(f"{folder(A)}; {folder(B)}")
    fx.unmount()
    clean(fx)
    return objects(fx)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


@scenario(stores=MOUNTS)
def an_object_is_deleted(fx):
    """A file, and a folder's marker: missing."""
    store = two_backups(fx)
    key = store.find(f"{A}/db/2.bson")
    data = store.get(key)
    store.remove(key)
    finds(fx, (f"{A}/db/2.bson", "missing"))
    store.put(key, data)
    clean(fx)
    store.remove(store.find(f"{A}/db/"))
    finds(fx, (f"{A}/db", "missing"))


@scenario(stores=MOUNTS)
def an_older_version_is_put_back(fx):
    """The bytes that stood there before the file was written anew, of another length and of the same: replaced."""
    fx.sh(f"{folder(A)}; {folder(B)}; sync {A}/db/1.bson {A}/db/2.bson")
    fx.unmount()
    store = objects(fx)
    old = {name: store.get(store.find(f"{A}/db/{name}")) for name in ("1.bson", "2.bson")}
    fx.mount("--on-remove=allow")
    fx.sh(f"head -c 20000 /dev/urandom >{A}/db/1.bson; head -c 30000 /dev/urandom >{A}/db/2.bson; echo '{{}} ' >{A}/metadata.json")
    fx.unmount()
    clean(fx)
    for name, data in old.items():
        store.put(store.find(f"{A}/db/{name}"), data)
    finds(fx, (f"{A}/db/1.bson", "replaced"), (f"{A}/db/2.bson", "replaced"))


@scenario(stores=MOUNTS)
def two_objects_are_swapped(fx):
    """Both are named, though each is a good object of this backup, and as long as the other."""
    store = two_backups(fx)
    one, two = store.find(f"{A}/db/1.bson"), store.find(f"{A}/db/2.bson")
    data = store.get(one)
    store.put(one, store.get(two))
    store.put(two, data)
    finds(fx, (f"{A}/db/1.bson", "replaced"), (f"{A}/db/2.bson", "replaced"))


@scenario(stores=MOUNTS)
def a_seal_is_deleted(fx):
    """The audit log knows of it; also when every object went with it."""
    store = two_backups(fx)
    store.remove(store.find(f"seals/{A}"))
    finds(fx, (None, "seal missing"))
    for key in store.keys():
        if f"acme/{A}" in key:
            store.remove(key)
    finds(fx, (None, "seal missing"))


@scenario(stores=MOUNTS)
def an_older_seal_is_put_back(fx):
    """With the objects as they were then, so that nothing but the audit log tells; and alone."""
    store = two_backups(fx)
    old = {key: store.get(key) for key in store.keys() if key.endswith(f"seals/{A}") or f"acme/{A}/" in key}
    fx.mount("--on-remove=allow")
    fx.sh(f"head -c 20000 /dev/urandom >{A}/db/1.bson; echo '{{}} ' >{A}/metadata.json")
    fx.unmount()
    clean(fx)
    store.put(store.find(f"seals/{A}"), old[store.find(f"seals/{A}")])
    finds(fx, (None, "seal rolled back"), (f"{A}/db/1.bson", "replaced"), (f"{A}/metadata.json", "replaced"))
    for key, data in old.items():
        store.put(key, data)
    finds(fx, (None, "seal rolled back"))


@scenario(stores=MOUNTS)
def an_entry_is_added(fx):
    """A good object of ours under a new name, in the folder and beside it, and a plain one: extra."""
    store = two_backups(fx)
    key = store.find(f"{A}/db/1.bson")
    store.put(key.replace("1.bson", "9.bson"), store.get(key))
    store.put(key.replace(f"{A}/db/1.bson", f"{A}.sha256"), store.get(key))
    store.put(key.replace("1.bson", "plain"), b"plain")
    finds(fx, (f"{A}/db/9.bson", "extra"), (f"{A}.sha256", "extra"), (f"{A}/db/plain", "extra"))


@scenario(stores=MOUNTS)
def a_byte_is_flipped(fx):
    """In header and trailer a quick look finds it; in the content only a full one, as with a bit that rots."""
    store = two_backups(fx)
    key = store.find(f"{A}/db/1.bson")
    data = store.get(key)
    for at in (40, 70, len(data) - 100):
        store.put(key, flip(data, at))
        finds(fx, (f"{A}/db/1.bson", "damaged"))
    for at in (HEADER + 5, HEADER + 10000, len(data) - 300):
        store.put(key, flip(data, at))
        finds(fx, (f"{A}/db/1.bson", "damaged"), quick=False)
    store.put(key, data)
    seal = store.find(f"seals/{A}")
    store.put(seal, flip(store.get(seal), HEADER + 50))
    finds(fx, (None, "seal damaged"))


@scenario(stores=MOUNTS)
def an_object_is_cut(fx):
    """To less than its trailer, to less than its header, to nothing, and with bytes added."""
    store = two_backups(fx)
    key = store.find(f"{A}/db/1.bson")
    data = store.get(key)
    for changed in (data[:-1], data[:-5000], data[:600], data + b"x"):
        store.put(key, changed)
        finds(fx, (f"{A}/db/1.bson", "wrong size"))
    for changed in (data[:3], b""):  # without our magic nobody can say that it was ours
        store.put(key, changed)
        finds(fx, (f"{A}/db/1.bson", "foreign"))


@scenario(stores=MOUNTS)
def a_plain_object_takes_its_place(fx):
    """Of another length, and of the very same: foreign."""
    store = two_backups(fx)
    key = store.find(f"{A}/db/1.bson")
    for plain in (b"plain", b"p" * len(store.get(key))):
        store.put(key, plain)
        finds(fx, (f"{A}/db/1.bson", "foreign"))
    seal = store.find(f"seals/{A}")
    store.put(seal, b'{"seal":1}')
    finds(fx, (None, "seal damaged"))


@scenario(stores=MOUNTS, limit=400)
def nothing_in_a_clean_bucket_of_10000_files(fx):
    """Ten sealed folders of a thousand files and an archive beside them: quick and full find nothing, and count all of it."""
    began = time.monotonic()
    for day in range(1, 11):
        fx.sh(f"mkdir -p db-202611{day:02}-010000/db; seq 999 | (cd db-202611{day:02}-010000/db && xargs -P 8 -n 50 sh -c 'for i; do echo $i >$i; done' sh);"
              f"echo '{{}}' >db-202611{day:02}-010000/metadata.json")
    fx.sh("head -c 3000000 /dev/urandom >archive-20261101-020000.tar")
    fx.unmount()
    fx.measure("making them", f"{time.monotonic() - began:.1f} s")
    for mode in ("--quick", "--full"):
        began = time.monotonic()
        got, document = verify(fx, mode, "acme")
        fx.measure(f"verify {mode}", f"{time.monotonic() - began:.1f} s")
        expect_equal(got, set(), f"faults by {mode}")
        counts = {name: document[name] for name in ("sealed", "good", "bad", "unsealed", "objects", "complete")}
        expect_equal(counts, {"sealed": 11, "good": 11, "bad": 0, "unsealed": 0, "objects": 10 * (1000 + 2) + 1, "complete": True}, f"counts of {mode}")
        expect_equal(document["decrypted"], document["bytes"] if mode == "--full" else 0, f"bytes decrypted by {mode}")


def rotation(fx):
    """Four samples of 25 percent: their documents."""
    documents = []
    for _ in range(4):
        text = fx.ctl("verify", "--json", "--sample", "25%", "acme", code=None)
        documents.append(json.loads(text[text.index('{"faults"'):].splitlines()[0]))
    expect_equal(sorted(document["samples"][0]["part"] for document in documents), [1, 2, 3, 4], "the parts of a rotation")
    return documents


@scenario(stores=MOUNTS)
def a_sample_reads_all_bytes_in_its_turns(fx):
    """Four samples of 25 percent read each byte once, about a quarter each time; one flipped byte is found by exactly one of them."""
    fx.sh(f"{folder(A, 60, 3000)}; {folder(B)}; head -c 30000000 /dev/urandom >big-20261101-020000.tar")
    fx.unmount()
    store, whole = objects(fx), verify(fx, "acme")[1]["bytes"]
    decrypted = [document["decrypted"] for document in rotation(fx)]
    expect_equal(sum(decrypted), whole, "bytes decrypted in a rotation")
    expect(all(0.1 * whole < part < 0.4 * whole for part in decrypted), f"quarters of {whole} bytes: {decrypted}")
    for path, at in ((f"{A}/db/17.bson", HEADER + 1000), ("big-20261101-020000.tar", 15_000_000)):
        key = store.find(path)
        data = store.get(key)
        store.put(key, flip(data, at))
        faults = [(fault["path"], fault["fault"]) for document in rotation(fx) for fault in document["faults"]]
        expect_equal(faults, [(path, "damaged")], "what a rotation finds")
        store.put(key, data)


@scenario(stores=MOUNTS, limit=180, asan=False)
def a_killed_full_run_goes_on(fx):
    """kill -9 of a slow full run: --resume reads what was not read, and only that; without it everything is read again. A signal ends it with 130."""
    for day in range(1, 7):
        fx.sh(f"head -c 3000000 /dev/urandom >db-202611{day:02}-010000.tar")
    fx.unmount()
    whole = verify(fx, "--full", "acme")[1]["decrypted"]
    expect_equal(whole, 18_000_000, "bytes of a full run")
    for sign, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        process = fx.start_ctl("verify", "--full", "--threads=1", "--limit", "1M", "acme")
        time.sleep(14)
        process.send_signal(sign)
        expect_equal(process.wait(timeout=20), code, f"exit code after {sign.name}")
        if sign == signal.SIGINT:
            break
        document = verify(fx, "--full", "--resume", "acme")[1]
        expect(1 <= document["resumed"] < 6, f"backups that were not read again: {document['resumed']}")
        expect_equal((document["good"], document["decrypted"]), (6, 3_000_000 * (6 - document["resumed"])), "good backups and bytes of the resumed run")
    document = verify(fx, "--full", "--resume", "acme")[1]
    expect(1 <= document["resumed"] < 6, f"backups that were not read again after SIGINT: {document['resumed']}")
    document = verify(fx, "--full", "--resume", "acme")[1]
    expect_equal((document["resumed"], document["decrypted"]), (0, whole), "a run behind one that came to its end")


@scenario(stores=(S3,))
def who_may_only_read_verifies(fx):
    """With credentials that may only read: quick, full and a sample work; that nothing is remembered is said."""
    two_backups(fx)
    reader = fx.minio.restricted((["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"], ["arn:aws:s3:::backup", "arn:aws:s3:::backup/*"], None))
    for words in (("--quick",), ("--full",), ("--sample", "50%")):
        text = fx.ctl("verify", *words, "acme", env=reader)
        expect("2 good, 0 bad" in text, f"verify {' '.join(words)} by a reader: {text}")
        expect(("cannot be remembered" in text) == (words != ("--quick",)), f"what is said of the memory: {text}")


def mount_status(fx):
    return json.loads((fx.mnt / ".pishopfs/status.json").read_text())["verification"]


def wait_status(fx, what, check, seconds=30):
    end = time.monotonic() + seconds
    while not check(mount_status(fx)):
        expect(time.monotonic() < end, f"after {seconds} s still not: {what}: {mount_status(fx)}")
        time.sleep(0.2)


@scenario(stores=MOUNTS)
def the_mount_verifies_by_itself(fx):
    """--verify-interval: damage is logged by path, stands in status.json and in the audit log; read-only mounts do it, too."""
    store = two_backups(fx)
    fx.mount("--verify-interval=2s")
    wait_status(fx, "two good ones", lambda now: now.get("good") == 2 and now["bad"] == 0)
    key = store.find(f"{A}/db/1.bson")
    data = store.get(key)
    store.remove(key)
    wait_status(fx, "one bad one", lambda now: now["bad"] == 1 and now["good"] == 1)
    expect_equal([(fault["path"], fault["fault"]) for fault in mount_status(fx)["faults"]], [(f"acme/{A}/db/1.bson", "missing")], "faults in the status")
    expect(fx.logged("error verify: missing", f"acme/{A}/db/1.bson"), f"no error in the log: {fx.log_tail()}")
    fx.unmount()
    events = [line for line in fx.ctl("audit", "show", "acme", "--json").splitlines() if '"damage"' in line]
    expect(len(events) == 1 and f"missing: {A}/db/1.bson" in events[0], f"damage in the audit log: {events}")
    fx.ctl("audit", "verify", "acme")

    fx.mount("--verify-interval=1s", "--read-only")
    wait_status(fx, "one bad one, read-only", lambda now: now.get("bad") == 1)
    fx.unmount(seconds=5)
    store.put(key, data)
    clean(fx)


@scenario(stores=(S3,), alone=True)
def verification_never_slows_a_job(fx):
    """A Job's writes beside endless rounds over 300 backups take as long as without, but for a fifth; and the mount ends at once in the middle of a round."""
    for number in range(300):
        fx.sh(f"echo {number} >db-2026{1 + number // 28:02}{1 + number % 28:02}-010000.tar" if number < 280 else f"echo {number} >db-202611{1 + number % 28:02}-020000.tar")
    times = {}
    for options in ((), ("--verify-interval=1s",), (), ("--verify-interval=1s",)):
        fx.remount(*options)
        time.sleep(3)
        began = time.monotonic()
        fx.sh(f"mkdir job; for i in $(seq 150); do echo x >job/$i; done; head -c 100000000 /dev/zero >job/big; rm -r job")
        times.setdefault(options, []).append(time.monotonic() - began)
    plain, verified = min(times[()]), min(times[("--verify-interval=1s",)])
    fx.measure("a Job, s", f"{plain:.2f} without, {verified:.2f} with endless verification")
    expect(verified < plain * 1.2 + 0.3, f"a Job takes {verified:.2f} s instead of {plain:.2f} s")
    time.sleep(1)
    began = time.monotonic()
    fx.unmount()
    fx.measure("unmount in a round, s", f"{time.monotonic() - began:.2f}")
    expect(time.monotonic() - began < 5, "the unmount waited for verification")
    fx.mount()
