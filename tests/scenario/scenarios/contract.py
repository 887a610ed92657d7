# SPDX-License-Identifier: Apache-2.0
"""What is promised about the bucket, looked at from outside: the format, the names, TLS."""
import json
import subprocess
import sys
from pathlib import Path

from harness import expect, scenario, trees
from harness.failure import expect_equal
from harness.mount import KEY
from harness.objects import objects
from harness.registry import MOUNTS, S3
from harness.services import MinIO, Service, certificate

from .startup import UNREACHABLE, refused

READER = Path(__file__).resolve().parents[2] / "format/reader.py"


CLOSED = 1  # docs/format.md, the trailer's state
RAW_KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


def read_by_python(fx, data, *options):
    """Exit code and output of the reader that was written from docs/format.md."""
    (fx.work / "key").write_text(RAW_KEY)
    (fx.work / "object").write_bytes(data)
    done = subprocess.run([sys.executable, "-B", str(READER), str(fx.work / "key"), str(fx.work / "object"), *options], stdout=subprocess.PIPE, check=False)
    return done.returncode, done.stdout


@scenario(stores=MOUNTS, mounted=False)
def python_reads_what_the_mount_wrote(fx):
    """The reader in Python, with the key and any object of the bucket alone, gives the content and the attributes; every object under
    the prefix, the program's own records included, is of the format or the layout marker."""
    tree = trees.fill(fx.work / "tree", files=12)
    fx.mount(env={"BACKUP_ENCRYPTION_KEY": RAW_KEY})
    fx.sh("cp -a $W/tree .; head -c 20000000 /dev/urandom >large; cp -p large $W/; echo 1 >changed; echo 2 >>changed; chmod 0640 changed")
    fx.unmount()
    store = objects(fx)
    pairs = {f"acme/tree/{path.relative_to(tree)}": path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()}
    pairs["acme/large"] = fx.work / "large"
    for ending, path in pairs.items():
        data = store.get(store.find(ending))
        code, content = read_by_python(fx, data)
        expect_equal(code, 0, f"exit code of the reader for {ending}")
        expect(content == path.read_bytes(), f"{ending}: the reader gives another content")
        attributes = json.loads(read_by_python(fx, data, "--attrs")[1])
        expect_equal(attributes["size"], path.stat().st_size, f"{ending}: size in the trailer")
        expect(str(path.stat().st_mtime_ns) in json.dumps(attributes) or path.stat().st_mtime_ns // 10**9 in attributes.values(), f"{ending}: mtime in the trailer: {attributes}")
    expect_equal(read_by_python(fx, store.get(store.find("acme/changed")))[1], b"1\n2\n", "the changed file")
    for key in store.keys():
        if not key.endswith(".pishop/layout"):
            expect_equal(read_by_python(fx, store.get(key), "--attrs")[0], 0, f"exit code of the reader for {key}")


@scenario(stores=MOUNTS, mounted=False)
def an_archive_is_closed_when_tar_ends(fx):
    """The archive of tar -czf, large or small, says in its trailer that it is complete when tar has ended, although gzip closes it first: a kill -9 of
    the mount right then takes nothing of that away."""
    for name, size in (("large", 70_000_000), ("small", 100_000)):
        (fx.work / name).write_bytes(fx.bytes(size))
        fx.mount(env={"BACKUP_ENCRYPTION_KEY": RAW_KEY})
        fx.sh(f"tar -C $W -czf {name}.tar.gz {name}")
        fx.mounts.pop().kill()
        store = objects(fx)
        attributes = json.loads(read_by_python(fx, store.get(store.find(f"{name}.tar.gz")), "--attrs")[1])
        expect_equal(attributes["state"], CLOSED, f"state of {name}.tar.gz")


@scenario(stores=(S3,))
def ghost_folders(fx):
    """A folder that MinIO lists although no key begins with it, as it does after some removals, is not there, and a file of that name can be written."""
    fx.sh("mkdir d; echo x >d/file")
    left = fx.work / "minio/data/backup/backups/acme/d/ghost/833f3e9b-504d-462f-87d9-c71a3368e6af"
    left.mkdir(parents=True)
    (left / "xl.meta.bkp").write_bytes(b"left behind")
    listed = objects(fx).s3.list_objects_v2(Bucket="backup", Prefix="backups/acme/d/", Delimiter="/")
    expect("backups/acme/d/ghost/" in [p["Prefix"] for p in listed.get("CommonPrefixes", [])], f"MinIO does not list the ghost: this proves nothing; {listed}")
    fx.remount()
    fx.sh("fails '' stat d/ghost; ls d; echo there >d/ghost; cat d/ghost; ls -l d")
    fx.remount()
    expect_equal(fx.sh("cat d/ghost d/file; rm -r d; ls"), "there\nx\n", "the file in the ghost's place")


@scenario(stores=MOUNTS)
def nothing_readable_in_the_store(fx):
    """No content, and no key, stands in the store; names do, so that any S3 client shows the tree."""
    secret = b"the quick brown fox jumps over the lazy dog " * 50
    (fx.mnt / "text").write_bytes(secret)
    fx.sh("mkdir folder; ln -s secret-target-of-a-link link; cp text folder/")
    fx.unmount()
    store = objects(fx)
    for key in store.keys():
        data = store.get(key)
        for word in (b"quick brown fox", b"secret-target", KEY.encode()):
            expect(word not in data, f"{word} stands in {key}")
    for ending in ("acme/text", "acme/folder/", "acme/folder/text", "acme/link"):
        store.find(ending)


@scenario(stores=(S3,), mounted=False)
def tls_is_verified(fx):
    """With a private CA the mount works when it is given the CA; without it, and with a wrong host name, it refuses with exit code 3."""
    port = next(fx.ports)
    server = MinIO(fx.tools, fx.work / "tls", port)
    certificates = certificate(fx.work / "certificates")
    server.command += ["--certs-dir", str(certificates)]
    server.ready = lambda: Service.ready(server)
    fx.serve(server)
    ca = str(certificates / "public.crt")
    tls = {"MINIO_ENDPOINT": f"127.0.0.1:{port}", "MINIO_USE_SSL": "true"}
    refused(fx, UNREACHABLE, "ertificate", **tls)
    refused(fx, UNREACHABLE, options=["--ca-file", ca], MINIO_ENDPOINT=f"localhost:{port}", MINIO_USE_SSL="true")
    fx.mount("--ca-file", ca, env=tls)
    fx.sh("head -c 10000000 /dev/urandom >file; cp file $W/")
    fx.unmount()
    fx.mount("--ca-file", ca, env={"MINIO_ENDPOINT": f"https://127.0.0.1:{port}", "MINIO_USE_SSL": None})
    fx.sh("cmp file $W/file")


@scenario(stores=(S3,))
def other_clients_see_the_tree(fx):
    """The bucket shows backups/<tenant>/<path>, a marker for each folder, and our own records only under .pishop."""
    fx.sh("mkdir NAME; echo x >NAME/file; echo y >NAME.tar.gz")
    fx.unmount()
    keys = objects(fx).keys()
    for key in ("backups/acme/NAME/", "backups/acme/NAME/file", "backups/acme/NAME.tar.gz", "backups/.pishop/layout"):
        expect(key in keys, f"{key} is not in {keys}")
    strange = [key for key in keys if not key.startswith(("backups/acme/", "backups/.pishop/"))]
    expect(not strange, f"keys that do not belong there: {strange}")
    expect(not [key for key in keys if "/run/" in key], f"a record of a writer stayed after a clean end: {keys}")
