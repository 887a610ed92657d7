# SPDX-License-Identifier: Apache-2.0
"""What a scenario receives: a mount at /backup, a shell, the servers, and a work folder outside of the mount."""
import fcntl
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

from . import mongo, services, trees
from .failure import Failure, Skip, expect
from .mount import KEY, Mount, PlainMount
from .registry import DIR, PLAIN, S3

MNT = Path("/backup")
# fails TEXT COMMAND...: the command must fail and say TEXT.
FAILS = """fails() {
	local text=$1 said
	shift
	if said=$("$@" 2>&1); then echo "succeeded, and should not: $*"; return 1; fi
	[[ $said == *"$text"* ]] || { echo "$* said: $said"; return 1; }
}
"""
JOBS = Path(__file__).resolve().parents[1] / "jobs"


class Fixture:
    """One scenario's world. Made inside private mount and process namespaces, so that nothing of it outlives the scenario."""

    def __init__(self, config):
        self.store = config["store"]
        self.work = Path(config["work"])
        self.tools = Path(config["tools"])
        self.program = config["program"]
        self.ports = iter(range(config["port"], config["port"] + 20))
        self.sabotages = config["sabotages"]
        self.datasets = Path(config["datasets"])
        self.long = config["long"]
        self.mnt = MNT
        self.mounts = []       # started and not yet stopped
        self.servers = []
        self.options = []      # of the first mount; remount uses them again
        self._minio = None
        self.random = random.Random(4711)

    # ---- the mount

    def location(self):
        """What stands for STORE on the command line."""
        return f"dir:{self.work}/store" if self.store == DIR else "s3://backup"

    def environment(self, **changes):
        """The program's environment; None takes a variable away."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "BACKUP_ENCRYPTION_KEY": KEY,
               **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}
        if self.store == S3:
            env.update(MINIO_ENDPOINT=f"127.0.0.1:{self.minio.port}", MINIO_ACCESS_KEY=services.ACCESS_KEY,
                       MINIO_SECRET_KEY=services.SECRET_KEY, MINIO_BUCKET="backup", MINIO_USE_SSL="false")
        env.update(changes)
        return {name: value for name, value in env.items() if value is not None}

    def command(self, *options, at=MNT, tenant="acme", location=None, foreground=True):
        """The program's command line."""
        words = [self.program] + (["-f"] if foreground else []) + (["--tenant", tenant] if tenant else [])
        return words + list(options) + [location or self.location(), str(at)]

    def new_mount(self, *options, at=MNT, tenant="acme", env=None, location=None, prefix=(), sabotages=()):
        """A mount that is not started yet. On `plain`, options and tenant mean nothing."""
        at.mkdir(parents=True, exist_ok=True)
        if self.store == PLAIN:
            return PlainMount(self.work / "plain", at, sabotages)
        if self.store == DIR:
            (self.work / "store").mkdir(exist_ok=True)
        command = list(prefix) + self.command(*options, at=at, tenant=tenant, location=location)
        return Mount(command, at, self.environment(**(env or {})), self.work / f"mount-{len(list(self.work.glob('mount-*')))}.log")

    def mount(self, *options, **more):
        """Starts a mount (at /backup, of tenant acme) and returns it."""
        mount = self.new_mount(*options, **more).start()
        self.mounts.append(mount)
        return mount

    def unmount(self, mount=None, code=0, seconds=90):
        """Unmounts the given mount, or the only one, and demands its exit code."""
        mount = mount or self.mounts[-1]
        peak = mount.peak() // 2**20
        if peak:
            print(f"(peak resident memory of the mount: {peak} MiB)")
        self.mounts.remove(mount)
        mount.stop(code, seconds)

    def remount(self, *options, **more):
        """Out and in again, as a new pod would see it. Here the harness's own tests sabotage the plain folder."""
        if self.mounts:
            self.unmount()
        return self.mount(*options, sabotages=self.sabotages, **more)

    # ---- commands

    def sh(self, script, cwd=None, env=None, timeout=100, code=0, stdin=None):
        """Runs a bash script with -eu and pipefail, in the mount; returns its output (errors included). code None: any exit code.
        $W is the work folder."""
        process = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", FAILS + script], cwd=cwd or self.mnt, input=stdin, timeout=timeout,
                                 env={**os.environ, "LC_ALL": "C.UTF-8", "W": str(self.work), **(env or {})},
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **({} if stdin else {"stdin": subprocess.DEVNULL}))
        output = process.stdout.decode(errors="surrogateescape")
        if code is not None and process.returncode != code:
            raise Failure(f"exit code {process.returncode}, wanted {code}, of:\n{script}\n{output[-3000:]}\n{self.log_tail()}")
        return output

    def ctl_command(self, *words):
        """The command line of pishopctl on the same store."""
        program = Path(self.program).parent.parent / "tools" / "pishopctl"
        verb = [words[0]] + ([words[1]] if words[0] in ("retention", "hold", "audit") else [])
        return [str(program), *verb, "--store", self.location(), *words[len(verb):]]

    def start_ctl(self, *words):
        """Begins pishopctl on the same store; the process, whose output goes nowhere."""
        return subprocess.Popen(self.ctl_command(*words), env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctl(self, *words, code=0, env=None, timeout=100):
        """Runs pishopctl on the same store; its output (errors included)."""
        done = subprocess.run(self.ctl_command(*words), env=self.environment(**(env or {})), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, check=False)
        if code is not None and done.returncode != code:
            raise Failure(f"exit code {done.returncode}, wanted {code}, of {' '.join(words)}:\n{done.stdout[-3000:]}\n{self.log_tail()}")
        return done.stdout

    def bench(self, name, *words, timeout=600):
        """Runs a program of tests/bench of the same build on the same store."""
        program = Path(self.program).parent.parent / "tests" / "bench" / name
        if not program.exists():
            raise Skip(f"the build has no {program}")
        subprocess.run([str(program), self.location(), *words], env=self.environment(), stdin=subprocess.DEVNULL, timeout=timeout, check=True)

    def states(self, tenant="acme"):
        """{backup: state}, as pishopctl list tells."""
        text = self.ctl("list", tenant, "--json")
        rows = json.loads(text[text.index("{"):])
        found = {}
        for tenant_rows in rows["tenants"]:
            found.update({row["backup"]: row["state"] for row in tenant_rows["backups"]})
        return found

    def log_tail(self):
        logs = sorted(self.work.glob("mount-*.log"))
        return f"the mount's log:\n{logs[-1].read_text(errors='replace')[-3000:]}" if logs else ""

    def logged(self, *words):
        """Does a line of any mount's log hold all the words?"""
        return any(all(word in line for word in words) for log in self.work.glob("mount-*.log") for line in log.read_text(errors="replace").splitlines())

    def measure(self, what, value):
        """A number for the report."""
        print(f"measured: {what}: {value}")

    def bytes(self, size):
        """Random bytes, the same in every run."""
        return self.random.randbytes(size)

    # ---- servers

    @property
    def minio(self):
        """The MinIO server of this scenario, started at the first use."""
        if self._minio is None:
            self._minio = self.serve(services.MinIO(self.tools, self.work / "minio", next(self.ports)))
        return self._minio

    def requests(self):
        """{api: S3 requests so far}, as the server counted them; nothing on the other stores."""
        return self.minio.requests() if self.store == S3 else {}

    def serve(self, server):
        self.servers.append(server.start())
        return server

    def mongo(self, mebibytes=None):
        """A MongoDB server: empty, or with the test databases of that many MiB, which are made once a run."""
        folder = self.work / f"mongo-{len(self.servers)}"
        if mebibytes is not None:
            shutil.copytree(self.dataset(mebibytes), folder)
        return self.serve(services.Mongo(self.tools, folder, next(self.ports)))

    def dataset(self, mebibytes):
        """The database files of the test databases."""
        folder = self.datasets / str(mebibytes)
        with open(self.datasets / f"{mebibytes}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                making = folder.with_suffix(".new")
                shutil.rmtree(making, ignore_errors=True)
                server = services.Mongo(self.tools, making, next(self.ports)).start()
                mongo.fill(server.uri, mebibytes)
                (self.datasets / f"{mebibytes}.json").write_text(json.dumps(mongo.snapshot(server.uri)))
                server.stop()
                making.rename(folder)
        return folder

    def expected_documents(self, mebibytes):
        """mongo.snapshot() of the test databases before any backup."""
        self.dataset(mebibytes)
        return json.loads((self.datasets / f"{mebibytes}.json").read_text())

    # ---- jobs

    def job_environment(self, server, name):
        return {"NAME": name, "TENANT": "acme", "DATABASES": " ".join(mongo.DATABASES), "MONGODB_URI": server.uri,
                "PATH": f"{self.tools}:{os.environ['PATH']}"}

    def job(self, script, server, name, timeout=600, code=0):
        """Runs jobs/SCRIPT exactly as a Job does: bash -e, the mount at /backup."""
        output = self.sh(f"cd / && exec bash -e {JOBS / script}", env=self.job_environment(server, name), timeout=timeout, code=code)
        print(output)
        return output

    def compare_databases(self, server, mebibytes):
        """The server must hold the test databases again: every document by value, and every index."""
        wanted = self.expected_documents(mebibytes)
        got = json.loads(json.dumps(mongo.snapshot(server.uri)))
        trees.same(got, wanted, "databases after the restore")
        expect(sum(len(c["documents"]) for c in got.values()) > 1000, "the test databases are too small to show anything")

    # ---- the end

    def close(self):
        """Unmounts what the scenario left mounted; each must end with 0."""
        for mount in list(self.mounts):
            self.unmount(mount)
        for log in self.work.glob("mount-*.log"):
            text = log.read_text(errors="replace")
            for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:"):
                expect(word not in text, f"{word} in {log}:\n{text[-4000:]}")
