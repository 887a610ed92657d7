# SPDX-License-Identifier: Apache-2.0
"""The Jobs of today, unchanged, with real mongodump and mongorestore."""
import os
import signal
import subprocess
import time

from harness import expect, scenario
from harness.fixture import JOBS, Fixture
from harness.registry import PLAIN, S3

NAME = "tenant-acme-20261123-231500"


def backup_and_restore(fx: Fixture, mebibytes, name=NAME):
    """The backup Job, a new mount, the restore Job into an empty server, and every document compared."""
    source = fx.mongo(mebibytes)
    output = fx.job("backup.sh", source, name)
    expect(f"{name}.tar.gz" in output, f"ls shows no archive:\n{output}")
    source.stop()
    only_the_archive(fx, name, mebibytes)
    fx.remount()
    restore_and_compare(fx, mebibytes, name)


def only_the_archive(fx, name, mebibytes):
    """What a good backup Job leaves."""
    listed = sorted(path.name for path in fx.mnt.iterdir())
    expect(listed == [f"{name}.tar.gz"], f"the Job should leave the archive alone, there are {listed}")
    archive = (fx.mnt / f"{name}.tar.gz").stat()
    expect(archive.st_size >= mebibytes * 2**20, f"the archive has only {archive.st_size} bytes")
    expect(archive.st_blocks * 512 >= archive.st_size, f"du would show {archive.st_blocks * 512} of {archive.st_size} bytes")


def restore_and_compare(fx, mebibytes, name):
    empty = fx.mongo()
    fx.job("restore.sh", empty, name)
    fx.compare_databases(empty, mebibytes)
    empty.stop()
    only_the_archive(fx, name, mebibytes)


@scenario(notices=("bytes", "loss"))
def job_small(fx):
    """Backup and restore Job with three small databases: every document comes back by value."""
    backup_and_restore(fx, 3)


@scenario(limit=400, asan=False)
def job_100(fx):
    """The same with a dump of 100 MiB that gzip can't make smaller, and with the other pattern of names."""
    backup_and_restore(fx, 100, "shop-backup-20261123")


@scenario(limit=1500, asan=False, long=True)
def job_500(fx):
    """The same with a dump of 500 MiB."""
    backup_and_restore(fx, 500)


@scenario(notices=("bytes",))
def archive_form(fx):
    """mongodump --archive > file, mongorestore --archive < file, plain and with --gzip: every document comes back by value."""
    source = fx.mongo(3)
    env = fx.job_environment(source, NAME)
    fx.sh('mongodump --quiet --uri "$MONGODB_URI" --archive >all.archive; mongodump --quiet --uri "$MONGODB_URI" --archive --gzip >all.archive.gz', env=env)
    fx.sh('mongodump --quiet --uri "$MONGODB_URI" --archive | gzip >piped.archive.gz', env=env)
    source.stop()
    fx.remount()
    for restore in ("--archive <all.archive", "--archive --gzip <all.archive.gz", "--archive --gzip <piped.archive.gz"):
        empty = fx.mongo()
        fx.sh(f'mongorestore --quiet --uri "$MONGODB_URI" {restore}', env=fx.job_environment(empty, NAME))
        fx.compare_databases(empty, 3)
        empty.stop()


@scenario()
def job_killed_and_run_again(fx):
    """A Job killed (kill -9 of all its processes) in its dump, in its tar, or behind it, and run again with the same NAME by a new
    pod, gives one good backup."""
    source = fx.mongo(20)
    for seconds in (0.4, 1.2, 2.0):
        job = subprocess.Popen(["bash", "-e", str(JOBS / "backup.sh")], cwd="/", env={**os.environ, **fx.job_environment(source, NAME)},
                               start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        fx.remount()
    fx.job("backup.sh", source, NAME)
    source.stop()
    fx.remount()
    restore_and_compare(fx, 20, NAME)


@scenario(stores=(PLAIN, S3), alone=True)
def job_needs_few_requests(fx):
    """The backup Job of three databases with six collections each costs at most 80 S3 requests, mount and unmount included, counted
    at the server."""
    source = fx.mongo(3)
    fx.unmount()
    before = fx.requests()
    fx.mount()
    fx.job("backup.sh", source, NAME)
    fx.unmount()
    after = fx.requests()
    used = {api: after[api] - before.get(api, 0) for api in after if after[api] != before.get(api, 0)}
    fx.measure("S3 requests of the backup Job", f"{sum(used.values())} {used}")
    least = 37 if fx.store == S3 else 0  # one put a file: fewer means that the counting is broken
    expect(least <= sum(used.values()) <= 80, f"wanted {least} to 80 requests: {used}")
