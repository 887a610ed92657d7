# SPDX-License-Identifier: Apache-2.0
"""Starting, configuring and ending: clear messages, fixed exit codes, and no secret where others can read it."""
import os
import subprocess
import time
from pathlib import Path

from harness import expect, scenario
from harness.failure import expect_equal
from harness.mount import KEY, Mount
from harness.registry import DIR, MOUNTS, S3
from harness.services import ACCESS_KEY, SECRET_KEY, wait_for

BAD_CONFIGURATION, UNREACHABLE, REFUSED, NO_BUCKET, WRONG_KEY, BAD_MOUNT_POINT = 2, 3, 4, 5, 6, 8


def refused(fx, code, *words, options=(), seconds=15, location=None, mounted=False, **env):
    """The program must end with `code` within 15 s and say each word on standard error."""
    mount = fx.new_mount(*options, env=env, location=location).launch()
    start = time.monotonic()
    got = mount.wait(seconds)
    said = mount.tail()
    expect_equal(got, code, f"exit code; it said:\n{said}\n")
    for word in words:
        expect(word in said, f"{word!r} is not in the message:\n{said}")
    expect(os.path.ismount(mount.at) == mounted, "something is mounted all the same" if not mounted else "the dead mount is gone")
    for secret in (KEY, SECRET_KEY):
        expect(secret not in said, "the message holds a secret")
    print(f"({time.monotonic() - start:.1f} s: {said.strip().splitlines()[-1] if said.strip() else 'nothing said'})")


@scenario(stores=MOUNTS, mounted=False)
def bad_configuration(fx):
    """Missing or bad values: exit code 2 and one line naming the setting, its source and what is allowed."""
    refused(fx, BAD_CONFIGURATION, "BACKUP_ENCRYPTION_KEY", BACKUP_ENCRYPTION_KEY=None)
    refused(fx, BAD_CONFIGURATION, "BACKUP_ENCRYPTION_KEY", BACKUP_ENCRYPTION_KEY="short")
    refused(fx, BAD_CONFIGURATION, "BACKUP_ENCRYPTION_KEY", BACKUP_ENCRYPTION_KEY="0" * 63)
    refused(fx, BAD_CONFIGURATION, "memory", "12Q", options=["--memory", "12Q"])
    refused(fx, BAD_CONFIGURATION, "no-such-option", options=["--no-such-option"])
    refused(fx, BAD_CONFIGURATION, "log-format", options=["--log-format", "xml"])
    refused(fx, BAD_CONFIGURATION, location="ftp://somewhere")
    refused(fx, BAD_CONFIGURATION, "secret-dir", options=["--secret-dir", str(fx.work / "nowhere")])
    refused(fx, BAD_CONFIGURATION, "--part-size", "16M", "--part-size=8M", "--memory=68M", options=["--part-size", "16M", "--memory", "48M"])
    refused(fx, BAD_CONFIGURATION, "-o", "not for FUSE", options=["-o", "context=x"])
    refused(fx, BAD_CONFIGURATION, "-o max_read", options=["-o", "max_read=4096"])


@scenario(stores=MOUNTS, mounted=False)
def files_that_are_none(fx):
    """A FIFO, a device or a folder where a file of settings should be: exit code 2 at once, the file named."""
    secret = fx.work / "secret"
    secret.mkdir()
    fifo = fx.work / "fifo"
    os.mkfifo(fifo)
    refused(fx, BAD_CONFIGURATION, str(fifo), "regular file", options=["--config", str(fifo)], seconds=5)
    refused(fx, BAD_CONFIGURATION, "/dev/zero", "regular file", options=["--config", "/dev/zero"], seconds=5)
    refused(fx, BAD_CONFIGURATION, str(secret), "regular file", options=["--config", str(secret)], seconds=5)
    refused(fx, BAD_CONFIGURATION, "--log-file", str(fifo), options=["--log-file", str(fifo)], seconds=5)
    os.mkfifo(secret / "region")
    refused(fx, BAD_CONFIGURATION, str(secret / "region"), "regular file", options=["--secret-dir", str(secret)], seconds=5)


@scenario(stores=(DIR,), mounted=False)
def mount_point_and_store_apart(fx):
    """A dir: store that is the mount point, lies in it or around it, by real paths too: exit code 2, and nothing is made."""
    store = fx.work / "store"
    (store / "sub").mkdir(parents=True)
    (fx.work / "link").symlink_to(store)
    for location, at in ((store, store), (store, store / "sub"), (store, store / "new"), (store / "sub", store), (store, fx.work / "link" / "sub" / ".."),
                         (fx.work / "link", store / "sub"), (fx.work / "new", fx.work / "new"), (Path("/"), store / "sub")):
        done = subprocess.run(fx.command(at=at, location=f"dir:{location}"), env=fx.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=20, check=False)
        expect_equal(done.returncode, BAD_CONFIGURATION, f"exit code of {location} on {at}; it said {done.stdout}")
        expect(f"mount point {at}" in done.stdout, f"the mount point is not named: {done.stdout}")
    expect_equal(fx.sh("ls $W/store; ls -d $W/new || :", cwd="/").splitlines()[0], "sub", "what is in the folder")
    beside = fx.work / "store-beside"
    beside.mkdir()
    Mount(fx.command(at=beside), beside, fx.environment(), fx.work / "mount-9.log").start().stop()


@scenario(stores=(S3,), mounted=False)
def bad_s3_configuration(fx):
    """A missing endpoint, key or secret, or a value that can't be one, is named; exit code 2."""
    refused(fx, BAD_CONFIGURATION, "MINIO_ENDPOINT", MINIO_ENDPOINT=None)
    refused(fx, BAD_CONFIGURATION, "MINIO_ACCESS_KEY", MINIO_ACCESS_KEY=None)
    refused(fx, BAD_CONFIGURATION, "MINIO_SECRET_KEY", MINIO_SECRET_KEY=None)
    refused(fx, BAD_CONFIGURATION, "MINIO_USE_SSL", MINIO_USE_SSL="perhaps")
    for endpoint in ("http://host:99999", "[::1", "host:9000:9000", "http://", "ho st", ":9000"):
        refused(fx, BAD_CONFIGURATION, "MINIO_ENDPOINT (environment)", "host:port", MINIO_ENDPOINT=endpoint)
    for name in ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_SESSION_TOKEN"):
        refused(fx, BAD_CONFIGURATION, f"{name} (environment)", **{name: f"{SECRET_KEY}\n"})
    refused(fx, BAD_CONFIGURATION, "MINIO_REGION (environment)", MINIO_REGION="us east")
    refused(fx, BAD_CONFIGURATION, "prefix", location="s3://backup/..")


@scenario(stores=(S3,), mounted=False)
def unreachable_endpoint(fx):
    """Nobody listens, a name that does not exist, a server that never answers: exit code 3 within 15 s, the endpoint named."""
    port = next(fx.ports)
    refused(fx, UNREACHABLE, f"127.0.0.1:{port}", MINIO_ENDPOINT=f"127.0.0.1:{port}")
    refused(fx, UNREACHABLE, "no-such-host.invalid", MINIO_ENDPOINT="no-such-host.invalid:9000", seconds=20)
    refused(fx, UNREACHABLE, MINIO_USE_SSL="true")
    fx.minio.freeze()
    refused(fx, UNREACHABLE, f"127.0.0.1:{fx.minio.port}", seconds=20)
    fx.minio.thaw()


@scenario(stores=(S3,), mounted=False)
def wrong_credentials(fx):
    """An unknown access key and a wrong secret: exit code 4."""
    refused(fx, REFUSED, MINIO_ACCESS_KEY="nobody-here")
    refused(fx, REFUSED, MINIO_SECRET_KEY="wrong-secret-000000")


@scenario(stores=(S3,), mounted=False)
def policy_without_list(fx):
    """A policy that forgot s3:ListBucket: exit code 4 with the permission and the bucket named, not a mount where all is refused. One that
    allows it below the tenant's prefix only is enough for that tenant's mount."""
    objects = (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], ["arn:aws:s3:::backup/*"], {})
    below = (["s3:ListBucket"], ["arn:aws:s3:::backup"], {"StringLike": {"s3:prefix": ["backups/acme/*"]}})
    raw = {"BACKUP_ENCRYPTION_KEY": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}
    fx.mount(env=raw)
    fx.sh("echo kept >file")
    fx.unmount()
    none = {**raw, **fx.minio.restricted(objects)}
    refused(fx, REFUSED, "s3:ListBucket", "s3://backup", "backups/acme/", **none)
    refused(fx, REFUSED, "s3:ListBucket", "s3://backup", options=["--read-only"], **none)
    tenant = {**raw, **fx.minio.restricted(objects, below)}
    fx.mount(env=tenant)
    expect_equal(fx.sh("cat file; ls; echo more >other; cat other"), "kept\nfile\nmore\n", "the tenant's folder")
    fx.unmount()
    fx.mount("--read-only", env=tenant)
    expect_equal(fx.sh("cat file other"), "kept\nmore\n", "the tenant's folder")


@scenario(stores=(S3,), mounted=False)
def missing_bucket(fx):
    """A bucket that does not exist: exit code 5, the bucket named."""
    refused(fx, NO_BUCKET, "no-such-bucket", location="s3://no-such-bucket")


@scenario(stores=(DIR,), mounted=False)
def missing_folder(fx):
    """A dir store whose folder does not exist: exit code 5, the folder named."""
    refused(fx, NO_BUCKET, "no-such-folder", location=f"dir:{fx.work}/no-such-folder")


@scenario(stores=MOUNTS)
def wrong_key(fx):
    """Another key than the one that wrote here: exit code 6; the right one still opens."""
    fx.sh("echo kept >file")
    fx.unmount()
    refused(fx, WRONG_KEY, BACKUP_ENCRYPTION_KEY="another passphrase, long enough")
    refused(fx, WRONG_KEY, BACKUP_ENCRYPTION_KEY="00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
    fx.mount()
    expect_equal(fx.sh("cat file"), "kept\n", "the file")


@scenario(stores=MOUNTS)
def key_by_newline_and_forms(fx):
    """One trailing newline of the key does not matter; the same 32 bytes in hex and base64 are the same key."""
    fx.sh("echo one >file")
    fx.unmount()
    fx.mount(env={"BACKUP_ENCRYPTION_KEY": KEY + "\n"})
    expect_equal(fx.sh("cat file"), "one\n", "the file")
    fx.unmount()
    raw = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
    place = {"location": f"dir:{fx.work}/other"} if fx.store == DIR else {"location": "s3://backup/other"}
    (fx.work / "other").mkdir()
    fx.mount(env={"BACKUP_ENCRYPTION_KEY": raw}, **place)
    fx.sh("echo two >file")
    fx.unmount()
    fx.mount(env={"BACKUP_ENCRYPTION_KEY": "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8="}, **place)
    expect_equal(fx.sh("cat file"), "two\n", "the file")


@scenario(stores=MOUNTS)
def bad_mount_points(fx):
    """A mount point that is a file or below one: exit code 8; so is one on which something of ours is mounted already. One that is
    missing is made, and closed to writers while nothing is mounted there."""
    fx.unmount()
    file = fx.work / "a-file"
    file.write_text("")
    for words in (fx.command(at=file / "below"), fx.command(at=file)):
        done = subprocess.run(words, env=fx.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        expect_equal(done.returncode, BAD_MOUNT_POINT, f"exit code of {words[-1]}; it said {done.stdout}")
        expect(words[-1] in done.stdout, f"the mount point is not named: {done.stdout}")
    fx.mount()
    done = subprocess.run(fx.command(), env=fx.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    expect_equal(done.returncode, BAD_MOUNT_POINT, f"exit code over a living mount; it said {done.stdout}")
    made = Mount(fx.command(at=fx.work / "made"), fx.work / "made", fx.environment(), fx.work / "mount-9.log").start()
    made.stop()
    fx.sh("cd $W; test $(stat -c %a made) = 0; mkdir try; if chattr +i try; then chattr -i try; fails '' touch made/file; chattr -i made; fi; rmdir made")


@scenario(stores=MOUNTS)
def stale_mount_point(fx):
    """After kill -9 the dead mount is recognised: exit code 8 and the command that clears it."""
    mount = fx.mounts.pop()
    mount.process.kill()
    mount.process.wait()
    refused(fx, BAD_MOUNT_POINT, "umount", mounted=True)
    fx.sh("umount -l /backup", cwd="/")
    fx.mount()
    fx.sh("echo alive >file")


@scenario(stores=MOUNTS, mounted=False)
def background_and_ready(fx):
    """Without -f the shell gets its prompt only when the mount answers, and exit code 0; a failure is told to the shell as well."""
    command = fx.command(foreground=False)
    if fx.store == DIR:
        (fx.work / "store").mkdir(exist_ok=True)
    bad = subprocess.run(command, env=fx.environment(BACKUP_ENCRYPTION_KEY=None), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    expect_equal(bad.returncode, BAD_CONFIGURATION, "exit code without a key")
    with (fx.work / "mount-0.log").open("w") as log:
        done = subprocess.run(command, env=fx.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=30, check=False)
    expect_equal(done.returncode, 0, f"exit code; it said {(fx.work / 'mount-0.log').read_text()}")
    fx.sh("mountpoint -q /backup; echo there >file; cat file")
    fx.sh("umount /backup", cwd="/")
    wait_for(lambda: not processes(fx.program), 30, "the program ends after umount")
    fx.mount()
    expect_equal(fx.sh("cat file"), "there\n", "the file in a new mount")


def processes(program):
    """Process ids of the program in this scenario's namespace."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.readlink(folder / "exe") == os.path.realpath(program):
                    found.append(int(folder.name))
            except OSError:
                pass
    return found


@scenario(stores=MOUNTS)
def secrets_stay_secret(fx):
    """Neither the key nor the credentials stand in the command line, the log, the mount table or a core dump's limit."""
    pid = fx.mounts[-1].pid
    fx.sh("echo x >file; cat file")
    texts = {"command line": Path(f"/proc/{pid}/cmdline").read_text(), "mount table": Path("/proc/mounts").read_text(), "log": fx.mounts[-1].tail(10_000)}
    for where, text in texts.items():
        for secret in (KEY, SECRET_KEY):
            expect(secret not in text, f"a secret stands in the {where}")
    cores = [line.split() for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core file size")]
    expect_equal(cores[0][4], "0", "limit of core dumps")
    options = next(line.split()[3].split(",") for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == "/backup")
    expect("nosuid" in options and "nodev" in options, f"mount options {options}")


@scenario(stores=(S3,), mounted=False)
def sources_of_configuration(fx):
    """A Kubernetes secret folder, an INI file, AWS_ variables and the environment name the same server; a flag wins over the
    environment, the environment over the folder, the folder over the file."""
    server = f"127.0.0.1:{fx.minio.port}"
    nothing = {name: None for name in ("MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_BUCKET", "MINIO_USE_SSL", "BACKUP_ENCRYPTION_KEY")}
    secret = fx.work / "minio-credentials"
    data = secret / "..2026_11_23"
    data.mkdir(parents=True)
    values = {"endpoint": server, "access-key-id": ACCESS_KEY, "secret-access-key": SECRET_KEY, "use-ssl": "false", "bucket-name": "backup", "region": "us-east-1",
              "encryption-key": KEY + "\n", "unknown-file": "left alone"}
    (secret / "..data").symlink_to(data.name)  # as kubelet lays a secret out
    for name, value in values.items():
        (data / name).write_text(value)
        (secret / name).symlink_to(f"..data/{name}")
    fx.mount("--secret-dir", str(secret), env=nothing)
    fx.sh("echo by-secret >file")
    fx.unmount()
    fx.mount("--secret-dir", str(secret), env={**nothing, "MINIO_ENDPOINT": f"http://{server}"})
    expect_equal(fx.sh("cat file"), "by-secret\n", "the file")
    fx.unmount()
    ini = fx.work / "pishopfs.ini"
    ini.write_text(f"endpoint = 127.0.0.1:{next(fx.ports)}\nbucket = backup\nuse-ssl = false\nlog-level = debug\n")
    ini.chmod(0o600)
    fx.mount("--config", str(ini), "--secret-dir", str(secret), env=nothing)
    expect_equal(fx.sh("cat file"), "by-secret\n", "the file where the INI file names a wrong server and the secret folder the right one")
    fx.unmount()
    aws = {"MINIO_ACCESS_KEY": None, "MINIO_SECRET_KEY": None, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    fx.mount(env=aws)
    expect_equal(fx.sh("cat file"), "by-secret\n", "the file by AWS_ variables")
    fx.unmount()
    without_store = [word for word in fx.command() if word != fx.location()]
    log = fx.work / "no-store.log"
    with log.open("w") as errors:
        process = subprocess.Popen(without_store, env=fx.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
    expect(process.stdout.readline().startswith(b"READY"), f"STORE left out, MINIO_BUCKET given: no READY; it said {log.read_text()}")
    expect_equal(fx.sh("cat file"), "by-secret\n", "the file where STORE is left out")
    fx.sh("umount /backup", cwd="/")
    expect_equal(process.wait(30), 0, "exit code")


@scenario(stores=(DIR,), mounted=False)
def help_and_version(fx):
    """--help in groups and --version go to standard output with exit code 0; without arguments: usage and exit code 2."""
    for option, words in (("--help", ["STORE", "MOUNTPOINT", "--tenant", "--secret-dir", "--memory", "MINIO_ENDPOINT"]), ("--version", ["pishopfs"]),
                          ("--help-markdown", ["| ", "MINIO_ACCESS_KEY", "--endpoint"])):
        done = subprocess.run([fx.program, option], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10, check=False)
        expect_equal((done.returncode, done.stderr), (0, ""), f"{option}: exit code and errors")
        for word in words:
            expect(word in done.stdout, f"{option} does not mention {word}")
    done = subprocess.run([fx.program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10, check=False)
    expect_equal(done.returncode, BAD_CONFIGURATION, "exit code without arguments")


@scenario(stores=MOUNTS)
def read_only(fx):
    """--read-only: everything can be read, nothing changed (EROFS), and the store is not touched."""
    fx.sh("mkdir d; echo x >d/file")
    fx.remount("--read-only")
    fx.sh("cat d/file; fails 'Read-only' touch d/file2; fails 'Read-only' rm d/file; fails 'Read-only' mkdir e; fails 'Read-only' mv d/file d/g; "
          "fails 'Read-only' chmod 600 d/file; fails 'Read-only' rmdir d; fails 'Read-only' bash -c 'echo y >>d/file'")
    expect_equal(fx.sh("cat d/file; ls d"), "x\nfile\n", "the folder")


@scenario(stores=MOUNTS)
def root_of_tenants(fx):
    """Without --tenant the root holds the tenants: folders only; what one tenant's mount wrote is in its folder."""
    fx.sh("echo mine >file")
    fx.unmount()
    fx.mount(tenant=None)
    expect_equal(fx.sh("ls; cat acme/file"), "acme\nmine\n", "the root")
    fx.sh("fails 'not permitted' touch file; mkdir zenith; echo theirs >zenith/file")
    fx.unmount()
    fx.mount(tenant="zenith")
    expect_equal(fx.sh("ls; cat file"), "file\ntheirs\n", "the other tenant's mount")


@scenario(stores=MOUNTS)
def what_a_mount_cannot(fx):
    """Hard links, devices and extended attributes are refused with an error, never half done."""
    fx.sh("echo x >file; fails '' ln file link; fails '' mknod dev c 1 3; fails '' setfattr -n user.x -v 1 file; fails '' mkfifo pipe; test \"$(ls)\" = file")


@scenario(stores=MOUNTS)
def other_users(fx):
    """With --allow-other another user may use what the modes allow; without it the mount is closed to others."""
    other = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    fx.sh("echo x >file")
    fx.sh(f"fails 'ermission denied' {other} cat /backup/file", cwd="/")
    fx.remount("--allow-other")
    fx.sh(f"chmod 0600 file; fails 'ermission denied' {other} cat file; chmod 0644 file; {other} cat file; fails 'ermission denied' {other} touch /backup/new; "
          f"mkdir -m 0777 open; {other} touch open/new; stat -c %u open/new | grep -qx 65534")
