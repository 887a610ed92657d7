# SPDX-License-Identifier: Apache-2.0
"""The Jobs of today, unchanged, with real mongodump and mongorestore."""
from harness import expect, scenario
from harness.fixture import Fixture

NAME = "tenant-acme-20261123-231500"


def backup_and_restore(fx: Fixture, mebibytes):
    """The backup Job, a new mount, the restore Job into an empty server, and every document compared."""
    source = fx.mongo(mebibytes)
    output = fx.job("backup.sh", source, NAME)
    expect(f"{NAME}.tar.gz" in output, f"ls shows no archive:\n{output}")
    source.stop()
    listed = sorted(path.name for path in fx.mnt.iterdir())
    expect(listed == [f"{NAME}.tar.gz"], f"the backup Job should leave the archive alone, there are {listed}")
    archive = (fx.mnt / f"{NAME}.tar.gz").stat()
    expect(archive.st_size >= mebibytes * 2**20, f"the archive has only {archive.st_size} bytes")
    expect(archive.st_blocks * 512 >= archive.st_size, f"du would show {archive.st_blocks * 512} of {archive.st_size} bytes")

    fx.remount()
    empty = fx.mongo()
    fx.job("restore.sh", empty, NAME)
    fx.compare_databases(empty, mebibytes)
    listed = sorted(path.name for path in fx.mnt.iterdir())
    expect(listed == [f"{NAME}.tar.gz"], f"the restore Job should leave the archive alone, there are {listed}")


@scenario(notices=("bytes", "loss"))
def job_small(fx):
    """Backup and restore Job with three small databases: every document and index comes back by value."""
    backup_and_restore(fx, 3)


@scenario(limit=400, asan=False)
def job_100(fx):
    """The same with a dump of 100 MiB that gzip can't make smaller."""
    backup_and_restore(fx, 100)


@scenario(limit=1500, asan=False, long=True)
def job_500(fx):
    """The same with a dump of 500 MiB."""
    backup_and_restore(fx, 500)
