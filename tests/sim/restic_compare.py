#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks restic and plan_times the same questions and compares what stays.

usage: restic_compare.py PLAN_TIMES [SEED]       exit 77: restic or openssl is not there

Every snapshot of the repository is a copy of a real one with another time: `restic backup` derives its key for most of a second, several hundred times. The copies
are signed as restic signs its own; it refuses what it cannot verify."""
import base64
import calendar
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

PASSWORD = "for a test"
ENV = {**os.environ, "TZ": "UTC", "RESTIC_PASSWORD": PASSWORD}
SKIP = 77


def restic(repository, *arguments):
    return subprocess.run(["restic", "-r", str(repository), "--no-cache", "--json", *arguments], env=ENV, check=True, stdout=subprocess.PIPE).stdout


class Sealer:
    """restic's envelope: iv, AES-256-CTR, Poly1305-AES over the ciphertext. All primitives are openssl's."""

    def __init__(self, encrypt, mac_k, mac_r):
        self.encrypt, self.mac_k, self.mac_r = encrypt, mac_k, mac_r

    @staticmethod
    def openssl(*arguments, data):
        return subprocess.run(["openssl", *arguments], input=data, check=True, stdout=subprocess.PIPE).stdout

    def crypt(self, iv, data):
        return self.openssl("enc", "-aes-256-ctr", "-K", self.encrypt.hex(), "-iv", iv.hex(), data=data)

    def mac(self, iv, sealed):
        pad = self.openssl("enc", "-aes-128-ecb", "-nopad", "-K", self.mac_k.hex(), data=iv)
        return self.openssl("mac", "-binary", "-in", "-", "-macopt", "hexkey:" + (self.mac_r + pad).hex(), "Poly1305", data=sealed)

    def open(self, text):
        iv, sealed, mac = text[:16], text[16:-16], text[-16:]
        if self.mac(iv, sealed) != mac:
            sys.exit("restic_compare: this restic's files are not as expected")
        return self.crypt(iv, sealed)

    def seal(self, plain):
        iv = os.urandom(16)
        sealed = self.crypt(iv, plain)
        return iv + sealed + self.mac(iv, sealed)


def master(repository):
    """The repository's Sealer. Its key file is written again with a cheap key derivation, so that each restic starts at once."""
    path = next((repository / "keys").iterdir())
    key = json.loads(path.read_text())

    def derive():
        derived = hashlib.scrypt(PASSWORD.encode(), salt=base64.b64decode(key["salt"]), n=key["N"], r=key["r"], p=key["p"], dklen=64, maxmem=1 << 28)
        return Sealer(derived[:32], derived[32:48], derived[48:])

    plain = derive().open(base64.b64decode(key["data"]))
    key.update(N=1024, r=1, p=1)
    key["data"] = base64.b64encode(derive().seal(plain)).decode()
    content = json.dumps(key).encode()
    path.unlink()
    (path.parent / hashlib.sha256(content).hexdigest()).write_bytes(content)
    keys = json.loads(plain)
    return Sealer(*(base64.b64decode(text) for text in (keys["encrypt"], keys["mac"]["k"], keys["mac"]["r"])))


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def regular(first, last, step):
    return range(seconds(first), seconds(last) + 1, step)


def histories(rng):
    """Name -> times of the backups of one host. Those of the past can be asked about keep-within, which in restic depends on its clock."""
    hour, day = 3600, 86400
    now = int(time.time())
    made = {
        "dst-spring": regular("2026-03-28 00:00:00", "2026-03-30 12:00:00", hour),
        "dst-autumn": regular("2026-10-24 00:30:00", "2026-10-26 12:00:00", hour),
        "iso-year-2026": regular("2026-12-20 03:00:00", "2027-01-12 03:00:00", day),
        "iso-week-53": regular("2020-12-19 23:59:59", "2021-01-12 23:59:59", day),
        "iso-week-1": regular("2024-12-23 00:00:00", "2025-01-12 00:00:00", day // 2),
        "leap-2028": regular("2028-02-20 12:00:00", "2028-03-10 12:00:00", day),
        "leap-hours": regular("2028-02-28 12:00:00", "2028-03-01 12:00:00", hour),
        "weekly": regular("2022-01-02 01:00:00", "2024-01-07 01:00:00", 7 * day),
        "one": [seconds("2025-06-01 00:00:00")],
        "edges": [seconds(t) + d for t in ("2024-01-01 00:00:00", "2024-03-01 00:00:00", "2024-12-30 00:00:00", "2023-01-02 00:00:00") for d in (-1, 0, 1, 3599, 3600)],
    }
    for name, span, count in (("random-week", 7 * day, 60), ("random-year", 365 * day, 90), ("random-decade", 3650 * day, 90)):
        made[name] = rng.sample(range(now - day - span, now - day), count)
    return {name: sorted(set(times)) for name, times in made.items()}, now


def policies(rng):
    """Lists of (rule, value); value in hours for keep-within."""
    kinds = ["last", "hourly", "daily", "weekly", "monthly", "yearly"]
    for kind in kinds:
        for n in (1, 2, 5, 1000):
            yield [(kind, n)]
    yield [("daily", 7), ("weekly", 4), ("monthly", 12), ("yearly", 3)]
    yield [("hourly", 24), ("daily", 7), ("weekly", 4), ("monthly", 6)]
    yield [("last", 3), ("yearly", 10)]
    for hours in (1, 24, 72, 24 * 31):
        yield [("within", hours)]
    for _ in range(20):
        chosen = [(kind, rng.randint(1, 30)) for kind in rng.sample(kinds, rng.randint(1, 4))]
        yield chosen + ([("within", rng.randint(1, 2000))] if rng.random() < 0.3 else [])


def fill(repository, made):
    """A snapshot for each time, of the host that has the history's name."""
    (repository.parent / "file").write_text("tiny")
    restic(repository, "init", "--repository-version", "1")
    sealer = master(repository)
    restic(repository, "backup", "--time", "2020-01-01 00:00:00", str(repository.parent / "file"))
    first = next((repository / "snapshots").iterdir())
    snapshot = json.loads(sealer.open(first.read_bytes()))
    first.unlink()

    def write(host, at):
        when = (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = sealer.seal(json.dumps({**snapshot, "hostname": host, "time": when}).encode())
        (repository / "snapshots" / hashlib.sha256(content).hexdigest()).write_bytes(content)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, host, at) for host, times in made.items() for at in times]:
            done.result()


def flags(policy, unit):
    return [part for kind, value in policy for part in (f"--keep-{kind}", f"{value}{unit if kind == 'within' else ''}")]


def restic_keeps(repository, policy):
    """host -> times that stay. From 0.16 on restic also keeps the oldest of all while a number is left; Debian 12's does not, nor do we."""
    answer = json.loads(restic(repository, "forget", "--dry-run", "--no-lock", "--group-by", "host", *flags(policy, "h")))

    def kept(group):
        only_oldest = {r["snapshot"]["time"] for r in group["reasons"] or [] if r["matches"] and all(match.startswith("oldest ") for match in r["matches"])}
        return sorted(seconds(s["time"][:19].replace("T", " ")) for s in group["keep"] or [] if s["time"] not in only_oldest)

    return {group["host"]: kept(group) for group in answer}


def plan_keeps(program, policy, made):
    """host -> times that stay."""
    asked = "\n0\n".join("\n".join(map(str, times)) for times in made.values())
    done = subprocess.run([program, "--min-age=0", *flags(policy, "h")], input=asked, text=True, check=True, stdout=subprocess.PIPE)
    answers, kept = [], []
    for at in map(int, done.stdout.split()):
        if at:
            kept.append(at)
        else:
            answers.append(sorted(kept))
            kept = []
    return dict(zip(made, answers, strict=True))


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20261228
    if not shutil.which("restic") or not shutil.which("openssl"):
        print("restic or openssl is not installed")
        return SKIP
    rng = random.Random(seed)
    made, now = histories(rng)
    asked = compared = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        fill(repository, made)
        for policy in policies(rng):
            theirs = restic_keeps(repository, policy)
            ours = plan_keeps(program, policy, made)
            asked += 1
            if sorted(theirs) != sorted(made):
                sys.exit(f"restic sees other hosts: {sorted(theirs)}")
            for host, times in made.items():
                if any(kind == "within" for kind, _ in policy) and times[-1] > now:
                    continue
                compared += 1
                if ours[host] != theirs[host]:
                    wrong += 1
                    only = [sorted({*a[host]} - {*b[host]}) for a, b in ((theirs, ours), (ours, theirs))]
                    print(f"{host} {policy}: only restic keeps {only[0]}, only the plan {only[1]}")
    print(f"seed {seed}: {sum(map(len, made.values()))} snapshots of {len(made)} hosts, {asked} policies, {compared} keep sets compared, {wrong} differ")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
