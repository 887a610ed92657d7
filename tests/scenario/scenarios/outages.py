# SPDX-License-Identifier: Apache-2.0
"""Killed mounts, killed writers, dead servers: nothing half-written looks whole, nothing that was promised is lost, nothing hangs."""
import os
import signal
import subprocess
import sys
import time

from harness import expect, scenario, trees
from harness.failure import expect_equal
from harness.objects import objects
from harness.registry import DIR, MOUNTS, PLAIN, S3
from harness.services import wait_for

DRAIN_INCOMPLETE = 7
# Short deadlines, so that the tests need not wait for the real ones.
SHORT = ("--data-timeout", "8s", "--metadata-timeout", "4s", "--drain-timeout", "10s")


def writer(path, megabytes, pause=0.0, end=""):
    """A process that writes megabytes of random bytes, one at a time; `end` is Python to run before its close."""
    code = f"""
import os, sys, time
f = open({str(path)!r}, "wb", buffering=0)
for i in range({megabytes}):
    f.write(os.urandom(1 << 20)); time.sleep({pause})
{end}
f.close()
"""
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def files_only(snapshot):
    """Attributes of folders are sent some seconds later, and are no part of what close() promises."""
    return {name: entry for name, entry in snapshot.items() if not entry["mode"].startswith("0o4")}


@scenario(stores=MOUNTS)
def mount_killed_while_uploading(fx):
    """kill -9 of the mount while a large file is on its way: closed files are whole in a new mount, the half one is not there."""
    (fx.work / "tree").mkdir()
    wanted = trees.snapshot(trees.fill(fx.work / "tree"))
    fx.sh("cp -a $W/tree .; head -c 30000000 /dev/urandom >closed; cp closed $W/; mkdir later; sync -d later || true")
    process = writer("/backup/half", 60, pause=0.02)
    time.sleep(0.9)
    fx.mounts.pop().kill()
    process.kill()
    process.wait()
    fx.mount()
    fx.sh("cmp closed $W/closed; test ! -e half; test -d later")
    trees.same(files_only(trees.snapshot(fx.mnt / "tree")), files_only(wanted), "what was closed before the kill")
    fx.sh("echo again >half; cat half")


@scenario(stores=MOUNTS)
def killed_after_fsync(fx):
    """What fsync promised is there after kill -9 of the mount, a readable prefix of the file, marked as not closed."""
    path = "/backup/dump"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    content = fx.bytes(12_000_000)
    os.write(descriptor, content)
    os.fsync(descriptor)
    os.write(descriptor, fx.bytes(3_000_000))
    fx.mounts.pop().kill()
    try:
        os.close(descriptor)
    except OSError:
        pass
    fx.mount()
    with open(path, "rb") as file:
        got = file.read()
    expect(got[:len(content)] == content and len(got) in (12_000_000, 15_000_000), f"{len(got)} bytes, not a prefix with what fsync promised")


@scenario(stores=MOUNTS)
def drained_by_sigterm(fx):
    """SIGTERM: what was closed and changed arrives, deferred attributes and removals too, exit code 0, nothing mounted any more."""
    fx.sh("echo gone >gone; head -c 20000000 /dev/urandom >big; cp big $W/; echo x >small; chmod 0640 small; touch -d 2020-01-01 big; rm gone")
    fx.mounts.pop().terminate(0)
    expect(not os.path.ismount("/backup"), "still mounted after SIGTERM")
    fx.mount()
    expect_equal(fx.sh("cmp big $W/big; stat -c '%a %n' small; stat -c %Y big; ls"), "640 small\n1577836800\nbig\nsmall\n", "after the drain")


@scenario(stores=MOUNTS)
def sigterm_while_writing(fx):
    """SIGTERM while a file is being written: the writer may end it, no new file can be made, and the program ends."""
    process = writer("/backup/open", 10, pause=0.1)
    time.sleep(0.3)
    mount = fx.mounts.pop()
    mount.process.terminate()
    time.sleep(0.3)
    made = subprocess.run(["touch", "/backup/new"], stderr=subprocess.PIPE, text=True, check=False, timeout=20)
    written = process.wait(60)
    code = mount.wait(60)
    expect(made.returncode != 0, "a new file could be made while draining")
    fx.mount()
    size = os.stat("/backup/open").st_size if os.path.exists("/backup/open") else None
    expect(written != 0 or (size == 10 << 20 and code == 0), f"the writer's close was good, the program ended with {code}, and the file has {size} bytes")


@scenario(stores=MOUNTS)
def killed_writers_are_kept_and_marked(fx):
    """A writer killed with -9, and one that exits 1 without closing, leave what they wrote readable, and the log says so."""
    killed = writer("/backup/killed", 12, end="print('written', flush=True); time.sleep(60)")
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    failed = writer("/backup/failed", 3, end="os._exit(1)")
    failed.wait()
    good = writer("/backup/good", 3)
    expect_equal(good.wait(), 0, "exit code of the good writer")
    fx.unmount()
    for name in ("killed", "failed"):
        expect(fx.logged(name), f"no log line about {name}; {fx.log_tail()}")
    expect(not fx.logged('path="good"'), "the log complains of a good writer")
    fx.mount()
    expect_equal(fx.sh("stat -c '%n %s' *"), f"failed {3 << 20}\ngood {3 << 20}\nkilled {12 << 20}\n", "sizes")
    fx.sh("cat * | wc -c")


@scenario(stores=MOUNTS)
def killed_writer_does_not_replace(fx):
    """A writer that had truncated a good file and was killed leaves the good old one."""
    fx.sh("seq 100000 >file; cp file $W/")
    killed = writer("/backup/file", 2, end="print('written', flush=True); time.sleep(60)")
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    fx.remount()
    fx.sh("cmp file $W/file")


@scenario(stores=MOUNTS)
def old_files_stay_under_pressure(fx):
    """Forty files are written anew at once, in less memory than they need, and the mount is killed before any close: every old one is there, no
    half of a new one, and what was put aside for them is removed by the next mount that finds their writer silent."""
    fx.remount("--memory", "48M")
    names = [f"file-{i:02}" for i in range(40)]
    for name in names:
        (fx.mnt / name).write_bytes(b"old" * 30_000)
    code = """
import os, sys, time
files = [os.open(f"/backup/{name}", os.O_WRONLY | flags) for name in sys.argv[1:] for flags in ([os.O_TRUNC] if "file" in name else [os.O_CREAT])]
for i in range(60):
    for f in files:
        os.write(f, os.urandom(65536))
print("written", flush=True)
time.sleep(60)
"""
    fresh = [f"new-{i}" for i in range(10)]
    process = subprocess.Popen([sys.executable, "-c", code, *names, *fresh], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    expect([key for key in objects(fx).keys() if "/staging/" in key], "nothing was put aside: memory was not short, this proves nothing")
    fx.mounts.pop().kill()
    process.kill()
    process.wait()
    time.sleep(4)  # more than 2 s by clocks of whole seconds
    fx.mount("--recover-after", "2s")
    expect_equal(sorted(os.listdir("/backup")), names, "names")
    for name in names:
        expect((fx.mnt / name).read_bytes() == b"old" * 30_000, f"{name} is not the old file")
    wait_for(lambda: not [key for key in objects(fx).keys() if "/staging/" in key], 20, "the staging area is empty")


@scenario(stores=(PLAIN, DIR, S3))
def children_in_mid_write(fx):
    """A program that runs children in the midst of writing: no half file where another mount looks, ps does not hang, bytes right."""
    code = """
import os, subprocess
f = open("/backup/out", "wb", buffering=0)
for i in range(20):
    f.write(bytes([i]) * 500_000)
    subprocess.run(["ps", "ax"], stdout=subprocess.DEVNULL, check=True) if i % 2 else os.system("true")
f.close()
"""
    start = time.monotonic()
    fx.sh(f"{sys.executable} - <<'END'\n{code}\nEND")
    fx.measure("seconds for 10 MB with 20 children", round(time.monotonic() - start, 1))
    fx.remount()
    with open("/backup/out", "rb") as file:
        expect(file.read() == b"".join(bytes([i]) * 500_000 for i in range(20)), "wrong bytes")


@scenario(stores=(S3,), alone=True, limit=240)
def hundred_children_through_one_descriptor(fx):
    """A script with 100 child processes that write 200 MiB through one descriptor moves less than three times its size."""
    (fx.work / "part").write_bytes(fx.bytes(2 << 20))
    before = fx.minio.received()
    fx.sh("for i in $(seq 100); do cat $W/part; done >out", timeout=200)
    fx.unmount()
    moved = fx.minio.received() - before
    fx.measure("bytes over the wire for 200 MiB by 100 children", f"{moved / 2**20:.0f} MiB")
    expect(200 * 2**20 <= moved < 600 * 2**20, f"{moved / 2**20:.0f} MiB moved")
    fx.mount()
    expect_equal(fx.sh("sha256sum <out"), fx.sh("for i in $(seq 100); do cat $W/part; done | sha256sum"), "content")


@scenario(stores=(S3,))
def server_stops_in_mid_write(fx):
    """MinIO stopped for good while a file is written: its close fails within the deadline, and so does every later open of it."""
    fx.remount(*SHORT)
    process = writer("/backup/dump", 30, pause=0.02)
    time.sleep(0.3)
    fx.minio.freeze()
    start = time.monotonic()
    code = process.wait(60)
    fx.measure("seconds until the writer's error", round(time.monotonic() - start, 1))
    expect(code != 0, "the writer's close was good although the server is frozen")
    try:
        os.close(os.open("/backup/dump", os.O_RDONLY))
        expect(False, "the failed file can be opened")
    except OSError:
        pass
    fx.minio.thaw()
    fx.sh("echo other >other; cat other; fails '' cat dump; echo anew >dump; cat dump")


@scenario(stores=(S3,))
def server_comes_back(fx):
    """MinIO stopped in mid-write and going on, or killed and started anew, within the deadline: the write succeeds, bytes right."""
    for outage in ("frozen", "killed"):
        process = writer(f"/backup/{outage}", 40, pause=0.02, end=f"import hashlib; print(hashlib.sha256(open('/backup/{outage}', 'rb').read()).hexdigest())")
        time.sleep(0.5)
        if outage == "frozen":
            fx.minio.freeze()
            time.sleep(4)
            fx.minio.thaw()
        else:
            fx.minio.kill()
            time.sleep(2)
            fx.minio.start()
        said, _ = process.communicate(timeout=100)
        expect_equal(process.returncode, 0, f"{outage}: exit code of the writer; it said {said}")
        fx.remount()
        expect_equal(trees.digest(f"/backup/{outage}"), said.strip(), f"{outage}: content")


@scenario(stores=(S3,))
def outage_between_the_deadlines(fx):
    """An outage longer than a metadata operation may take and shorter than the deadline of data: a large and a small file that are written meanwhile
    arrive."""
    fx.remount("--metadata-timeout", "2s", "--data-timeout", "40s")
    fx.sh("ls; echo first >first")
    fx.minio.freeze()
    writers = [writer("/backup/large", 40), writer("/backup/small", 1)]
    time.sleep(9)
    fx.minio.thaw()
    expect_equal([process.wait(60) for process in writers], [0, 0], "exit codes of the writers")
    fx.remount()
    expect_equal(fx.sh("stat -c %s large small"), "41943040\n1048576\n", "sizes")


@scenario(stores=(S3,))
def listing_while_closes_wait(fx):
    """Twenty closes wait for a server that is stalled: ls and stat of a folder that this mount knows still answer."""
    fx.sh("mkdir known; touch known/a known/b; ls known")
    fx.minio.freeze()
    writers = [writer(f"/backup/waiting-{number}", 1) for number in range(20)]
    time.sleep(1)
    start = time.monotonic()
    expect_equal(fx.sh("ls known; stat -c %F known", timeout=10), "a\nb\ndirectory\n", "ls while the server is stalled")
    fx.measure("seconds of ls while twenty closes wait", round(time.monotonic() - start, 2))
    fx.minio.thaw()
    expect_equal([process.wait(60) for process in writers], [0] * 20, "exit codes of the writers")


@scenario(stores=(S3,))
def unmount_without_a_server(fx):
    """Unmounting while something can't arrive: exit code 7 and the path in the log, within the drain's deadline."""
    fx.remount(*SHORT)
    fx.sh("echo safe >safe; mkdir -p d; echo x >attributes; sleep 0.1")
    process = writer("/backup/lost", 3, pause=0.3)
    time.sleep(0.4)
    fx.minio.kill()
    expect(process.wait(60) != 0, "the writer's close was good without a server")
    fx.unmount(code=DRAIN_INCOMPLETE, seconds=60)
    expect(fx.logged("lost"), f"the log does not name the lost file; {fx.log_tail()}")
    fx.minio.start()
    fx.mount()
    fx.sh("test ! -e lost; cat safe")


@scenario(stores=(S3,))
def bad_network(fx):
    """Through a proxy that delays, cuts connections after some bytes and resets others: all arrives, slowly; bytes right."""
    import json
    import urllib.request
    from harness.services import Toxiproxy
    proxy, port = fx.serve(Toxiproxy(fx.tools, fx.work, next(fx.ports))), next(fx.ports)

    def tell(path, value):
        request = urllib.request.Request(f"http://127.0.0.1:{proxy.port}{path}", json.dumps(value).encode(), {"Content-Type": "application/json", "User-Agent": "test"})
        urllib.request.urlopen(request, timeout=10).read()
    tell("/proxies", {"name": "s3", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{fx.minio.port}"})
    fx.unmount()
    fx.mount(env={"MINIO_ENDPOINT": f"127.0.0.1:{port}"})
    tell("/proxies/s3/toxics", {"name": "slow", "type": "latency", "attributes": {"latency": 30, "jitter": 20}})
    tell("/proxies/s3/toxics", {"name": "cut", "type": "limit_data", "toxicity": 0.3, "stream": "upstream", "attributes": {"bytes": 3_000_000}})
    tell("/proxies/s3/toxics", {"name": "cut-answers", "type": "limit_data", "toxicity": 0.1, "stream": "downstream", "attributes": {"bytes": 100}})
    (fx.work / "big").write_bytes(fx.bytes(40_000_000))
    wanted = trees.snapshot(trees.fill(fx.work / "tree"))
    fx.sh("cp $W/big .; cp -a $W/tree .; cmp big $W/big")
    fx.unmount()
    fx.mount()
    fx.sh("cmp big $W/big")
    trees.same(trees.snapshot(fx.mnt / "tree"), wanted, "through a bad network")


@scenario(stores=MOUNTS)
def upload_left_behind(fx):
    """An upload that a killed mount began is aborted by a later mount without any local state, once it is old enough."""
    process = writer("/backup/left", 400, pause=0.01)
    time.sleep(1.5)
    expect(process.poll() is None, "the writer ended too early: nothing is left behind")
    fx.mounts.pop().kill()
    process.kill()
    process.wait()
    store = objects(fx)
    records = [key for key in store.keys() if "/run/" in key]
    expect(records, f"the killed mount's record is not in the store: {store.keys()}")
    time.sleep(4)  # more than 2 s by clocks of whole seconds
    fx.mount("--recover-after", "2s")
    wait_for(lambda: not [key for key in store.keys() if key in records], 20, "the dead writer's record is removed")
    if fx.store == S3:
        expect(not store.uploads_of("backups/acme/left"), "the upload is still open")
    fx.sh("test ! -e left; echo anew >left; cat left")


@scenario(stores=MOUNTS)
def slow_mount_is_taken_for_dead(fx):
    """A mount that was only frozen while another one cleaned up after it: its writers get errors, nothing of theirs goes over what the other
    mount wrote meanwhile, and what either promised is there."""
    brief = ("--recover-after", "2s")
    fx.remount(*brief)
    slow = fx.mounts[-1]
    fx.sh("echo kept >kept")
    process = writer("/backup/contested", 80, pause=0.02)
    time.sleep(1)
    os.kill(slow.pid, signal.SIGSTOP)
    time.sleep(4)  # more than 2 s by clocks of whole seconds
    other = fx.mount(*brief, at=fx.work / "other")
    wait_for(lambda: "fell silent" in other.log.read_text(), 20, "the other mount takes the silent writer's record")
    (other.at / "contested").write_bytes(b"of the other mount")
    os.kill(slow.pid, signal.SIGCONT)
    expect(process.wait(90) != 0, "the slow mount's writer heard of no error")
    fx.unmount(slow, code=DRAIN_INCOMPLETE)
    fx.unmount(other)
    fx.mount()
    expect_equal(fx.sh("cat kept contested"), "kept\nof the other mount", "what the two mounts promised")


@scenario(stores=(DIR,))
def store_is_full(fx):
    """A full disk below a local store: the writers get errors, what was closed before stays whole, no half file is seen, and with room again all goes on."""
    fx.unmount()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40M", "tmpfs", str(fx.work / "store")], check=True)
    fx.mount()
    fx.sh("seq 100000 >good; cp good $W/; mkdir d")
    process = writer("/backup/huge", 80)
    expect(process.wait(60) != 0, "80 MB fitted into 40")
    expect(fx.logged("NOT SAVED", "huge"), f"the log does not name the lost file; {fx.log_tail()}")
    fx.sh("head -c 60M /dev/zero >$W/store/filler || true")
    failed = subprocess.run(["cp", str(fx.work / "good"), "/backup/small"], stderr=subprocess.PIPE, text=True, check=False)
    expect(failed.returncode != 0 and "No space" in failed.stderr, f"cp into a full store: {failed}")
    fx.sh("cmp good $W/good; fails '' cat huge; rm -f small huge $W/store/filler; cp $W/good again; cmp again good")
    fx.remount()
    expect_equal(fx.sh("ls"), "again\nd\ngood\n", "names")
    fx.sh("cmp good $W/good; cmp again $W/good")
    fx.unmount()
    subprocess.run(["umount", str(fx.work / "store")], check=True)
