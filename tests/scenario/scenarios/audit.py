# SPDX-License-Identifier: Apache-2.0
"""The audit log tells what happened to backups, in order, and shows when it was changed; and a backup is restored from the document and the key alone."""
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

from harness import expect, scenario, trees
from harness.failure import expect_equal
from harness.mount import KEY
from harness.objects import objects
from harness.registry import DIR, S3

FORMAT = Path(__file__).resolve().parents[2] / "format"
sys.path.insert(0, str(FORMAT))

NAME, NEWER = "tenant-acme-20261123-231500", "tenant-acme-20261124-231500"
DUMP = "mkdir -p {0}/db; for i in 1 2 3; do head -c 100000 /dev/urandom >{0}/db/$i.bson.gz; done; echo '{{}}' >{0}/metadata.json"
PACK = "tar -czf {0}.tar.gz {0}; rm -rf {0}"
LOG = ".pishop/t/acme/audit/"
BROKEN = 1  # pishopctl audit verify


def lines(fx):
    """The lines of the log, oldest first."""
    return [json.loads(line) for line in fx.ctl("audit", "show", "acme", "--json").splitlines() if line.startswith("{")]


def events(fx, backup):
    """What the log tells of a backup; the same twice behind one another (a flush came between) counts once."""
    told = [line["event"] for line in lines(fx) if line["backup"] == backup]
    return [event for event, _ in itertools.groupby(told)]


def whole(fx):
    expect("the audit log is whole" in fx.ctl("audit", "verify", "acme"), "audit verify does not say that the log is whole")


@scenario(stores=(DIR, S3))
def the_log_tells_all_of_a_backups_life(fx):
    """Job, restore, rm, undelete, hold, policy, deletion by retention: exactly these events in this order, and the chain is whole."""
    fx.sh(";".join((DUMP, PACK)).format(NAME))
    whole(fx)
    fx.remount()
    fx.sh(f"tar -xzf {NAME}.tar.gz; rm -rf {NAME}; cat {NAME}.tar.gz >/dev/null")
    fx.remount()
    fx.sh(f"rm {NAME}.tar.gz")
    fx.remount()
    fx.ctl("undelete", f"acme/{NAME}")
    fx.ctl("hold", "add", f"acme/{NAME}", "--why", "a dispute")
    fx.ctl("hold", "remove", f"acme/{NAME}", "--yes")
    fx.remount()
    fx.sh(";".join((DUMP, PACK)).format(NEWER))
    fx.unmount()
    fx.ctl("retention", "policy", "acme", "--keep-last=1", "--min-age=0")
    fx.ctl("retention", "apply", "acme", "--grace=1", "--policy-settle=0", "--max-percent=100", "--yes")
    time.sleep(2.1)
    fx.ctl("retention", "apply", "acme", "--grace=1", "--policy-settle=0", "--max-percent=100", "--yes")
    expect_equal(events(fx, NAME), ["committed", "sealed", "restored", "committed", "tombstoned", "undeleted", "hold", "unhold", "tombstoned", "deleting", "deleted"],
                 f"what the log tells of {NAME}")
    expect_equal(events(fx, NEWER), ["committed", "sealed"], f"what the log tells of {NEWER}")
    told = lines(fx)
    expect_equal([line["event"] for line in told if line["backup"] is None], ["policy", "policy"], "what the log tells of no backup: set, and in effect")
    first = [line for line in told if line["backup"] == NAME]
    expect_equal((first[0]["objects"], first[0]["bytes"] > 300000), (5, True), f"the first line: {first[0]}")
    restored = [line for line in told if line["event"] == "restored"]
    expect_equal(len(restored), 1, "lines of one restore")
    expect("uid 0" in restored[0]["detail"] and restored[0]["detail"].endswith(f"{NAME}.tar.gz"), f"the restore: {restored[0]}")
    for event in ("committed", "restored", "deleted"):
        expect(f"  {event}" in fx.ctl("audit", "show", "acme"), f"{event} is not in the table")
    whole(fx)
    fx.mount()


@scenario(stores=(DIR, S3))
def what_goes_for_good_is_told(fx):
    """--on-remove=allow: one line for the files of a sealed folder that were removed, by whom and which first; a second when nothing is left of it."""
    fx.sh(DUMP.format(NAME) + "; echo x >loose")
    fx.remount("--on-remove=allow")
    fx.sh(f"rm {NAME}/db/1.bson.gz")
    fx.sh(f"rm -rf {NAME}")
    fx.remount()
    expect_equal(events(fx, NAME), ["committed", "sealed", "reopened", "removed"], "what the log tells")
    some, last = [line for line in lines(fx) if line["event"] == "removed"]
    expect_equal((some["objects"], some["bytes"], some["seal"]), (6, 300003, None), f"what was removed: {some}")
    expect(some["detail"].endswith(f"uid 0, first {NAME}/db/1.bson.gz"), f"what was removed: {some}")
    expect(last["seal"] and last["objects"] == 6, f"the end: {last}")
    expect(NAME not in fx.states(), "a removed backup is still told of")
    whole(fx)


def broken(fx, *words):
    said = fx.ctl("audit", "verify", "acme", code=BROKEN)
    for word in words:
        expect(word in said, f"{word!r} is not in: {said}")
    told = json.loads([line for line in fx.ctl("audit", "verify", "acme", "--json", code=BROKEN).splitlines() if line.startswith("{")][0])
    expect_equal(told["whole"], False, f"whole in {told}")
    expect(all(word in told["why"] for word in words), f"why in {told}")


@scenario(stores=(DIR, S3))
def a_changed_log_is_told(fx):
    """The newest segment cut, a middle one changed, missing, or exchanged with another, the newest removed: each told with its number."""
    fx.sh(";".join((DUMP, PACK)).format(NAME))
    fx.unmount()
    fx.ctl("hold", "add", f"acme/{NAME}", "--why", "a test")
    fx.ctl("hold", "remove", f"acme/{NAME}", "--yes")
    for _ in range(2):  # the second remembers how far the log was behind the first
        fx.ctl("retention", "apply", "acme", "--keep-last=1", "--min-age=0", "--policy-settle=0", "--yes")
    store = objects(fx)
    keys = sorted((key for key in store.keys() if LOG in key), reverse=True)  # segment 1 first
    kept = {key: store.get(key) for key in keys}
    count = len(keys)
    expect(count >= 4, f"too few segments: {keys}")
    whole(fx)

    def again():
        for key, data in kept.items():
            store.put(key, data)
        whole(fx)

    store.put(keys[-1], kept[keys[-1]][:-1])
    broken(fx, f"segment {count}: damaged")
    again()
    middle = bytearray(kept[keys[1]])
    middle[600] ^= 1
    store.put(keys[1], bytes(middle))
    broken(fx, "segment 2: damaged")
    again()
    store.remove(keys[2])
    broken(fx, "segment 3: missing")
    again()
    store.put(keys[1], kept[keys[2]])
    store.put(keys[2], kept[keys[1]])
    broken(fx, "segment 2: line 1 does not follow")
    again()
    store.remove(keys[-1])
    broken(fx, f"segment {count}: missing", f"saw {count}")
    again()
    fx.mount()


@scenario(stores=(DIR, S3))
def a_restore_that_may_not_write_says_so(fx):
    """A read-only mount, and credentials that may not write the audit log: the restore is told in the mount's log, and once that it is not in the bucket's."""
    fx.sh(";".join((DUMP, PACK)).format(NAME))
    fx.unmount()
    count = len(lines(fx))

    def restore(*options, why, **more):
        for log in fx.work.glob("mount-*.log"):
            log.unlink()
        fx.mount(*options, **more)
        fx.sh(f"cat {NAME}.tar.gz >/dev/null; tar -tzf {NAME}.tar.gz >/dev/null")
        fx.unmount()
        text = "".join(log.read_text() for log in fx.work.glob("mount-*.log"))
        expect_equal(text.count(f"acme restored {NAME}"), 1, f"lines about the restore in the mount's log:\n{text}")
        expect_equal(text.count("go to this log only"), 1, f"how often it is said that they are not in the bucket's:\n{text}")
        expect(why in text, f"why not:\n{text}")

    restore("--read-only", why="open for reading only")
    if fx.store == S3:
        everything = "arn:aws:s3:::backup/backups/"
        reads = (["s3:GetObject"], ["arn:aws:s3:::backup/*"], None), (["s3:ListBucket"], ["arn:aws:s3:::backup"], None)
        writes = (["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                  [everything + "acme/*", everything + ".pishop/t/acme/run/*", everything + ".pishop/t/acme/seals/*"], None)
        restore(why="403", env=fx.minio.restricted(*reads, writes))
    expect_equal(len(lines(fx)), count, "lines in the bucket's log")
    whole(fx)
    fx.mount()


def python(fx, program, *words, code=0):
    """Runs one of the programs that were written from docs/format.md."""
    done = subprocess.run([sys.executable, "-B", str(FORMAT / program), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    expect_equal(done.returncode, code, f"exit code of {program}:\n{done.stdout[-3000:]}")
    return done.stdout


def copied(fx, to, markers):
    """The bucket as a folder, as an S3 client copies it: many leave out what ends in "/"."""
    import bucket
    store, folder = objects(fx), bucket.Bucket(str(to))
    for key in store.keys():
        if key.endswith("/") and not markers:
            continue
        path = Path(folder.file(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.get(key))
    return to


@scenario(stores=(DIR, S3), limit=200)
def restored_by_the_document_alone(fx):
    """A sealed folder with all kinds of entries, and a sealed archive of several parts, come back from the bucket, docs/format.md and the key alone: names,
    content, modes, owners, times; the other records are read, and the log's chain is whole."""
    trees.fill(fx.work / "tree", files=12)
    (fx.work / "key").write_text(KEY)
    fx.sh(f"cp -a $W/tree {NAME}; mkdir {NAME}/sub; : >{NAME}/sub/nothing; ln -s '../ü \"x\"' {NAME}/sub/link; head -c 20000000 /dev/urandom >{NAME}/sub/large; "
          f"chown 7:8 {NAME}/sub/large; chmod 2750 {NAME}/sub; touch -h -d '1969-12-31T23:59:50.123456789Z' {NAME}/sub/link {NAME}/sub/nothing; "
          f"touch -d '2025-11-25T10:30:00.000000005Z' {NAME}/sub; echo '{{}}' >{NAME}/metadata.json; cp -a {NAME} $W/wanted; "
          f"head -c 30000000 /dev/urandom >{NEWER}.tar; cp -a {NEWER}.tar $W/")
    fx.remount()
    fx.sh(f"cat {NEWER}.tar >/dev/null")
    fx.unmount()
    fx.ctl("seal", f"acme/{NAME}")  # by itself it is not: attributes were set when the mark stood there
    expect_equal(fx.states(), {NAME: "sealed", NEWER: "sealed"}, "states")
    prefix = "" if fx.store == DIR else "backups"
    for markers in (True, False):
        copy = copied(fx, fx.work / f"copy-{markers}", markers)
        for name in (NAME, NEWER):
            python(fx, "restore.py", fx.work / "key", copy, prefix, "acme", name, fx.work / f"out-{markers}-{name}")
        out = fx.work / f"out-{markers}-{NAME}" / NAME
        trees.same(trees.snapshot(out), trees.snapshot(fx.work / "wanted"), "the restored folder")
        expect_equal([(path.stat().st_mtime_ns, path.stat().st_mode) for path in (out, out / "sub")],
                     [(path.stat().st_mtime_ns, path.stat().st_mode) for path in (fx.work / "wanted", fx.work / "wanted/sub")], "times and modes of the folders")
        archive = fx.work / f"out-{markers}-{NEWER}" / f"{NEWER}.tar"
        expect_equal((trees.digest(archive), archive.stat().st_mtime_ns), (trees.digest(fx.work / f"{NEWER}.tar"), (fx.work / f"{NEWER}.tar").stat().st_mtime_ns), "the archive")
        said = python(fx, "records.py", fx.work / "key", copy, prefix, "acme")
        expect('"event": "restored"' in said, f"the log, read by the document: {said}")
    damaged = fx.work / "copy-True" / prefix / "acme" / f"{NEWER}.tar"
    data = bytearray(damaged.read_bytes())
    data[9000000] ^= 1
    damaged.write_bytes(data)
    said = python(fx, "restore.py", fx.work / "key", fx.work / "copy-True", prefix, "acme", NEWER, fx.work / "out-damaged", code=15)
    expect("damaged: record 137" in said, f"which record: {said}")
    fx.mount()
