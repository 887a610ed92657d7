# SPDX-License-Identifier: Apache-2.0
"""The real servers. Each scenario starts its own; all end with the scenario's process namespace."""
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from .failure import Failure

ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key-0123"


def wait_for(question, seconds, what):
    """Asks until the answer is true."""
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def certificate(folder: Path):
    """A certificate for 127.0.0.1 that is its own authority, as a private CA would give one; public.crt and private.key in the folder."""
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pishopfs tests",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "private.key", "-out", folder / "public.crt"],
                   check=True, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return folder


class Service:
    """A server process with a log; stop, freeze and go on by its process id."""

    def __init__(self, name, command, port, log: Path, env=None):
        self.name, self.command, self.port, self.log = name, [str(word) for word in command], port, log
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def start(self):
        if listens(self.port):
            raise Failure(f"{self.name}: port {self.port} is taken by somebody else; set PISHOPFS_TEST_PORT")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.ready, 60, f"{self.name} answers (log: {self.log})")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended at once: {self.log.read_text(errors='replace')[-2000:]}")
        return listens(self.port)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class MinIO(Service):
    """MinIO on one folder. Buckets are made by making folders before the start."""

    def __init__(self, tools, folder: Path, port, buckets=("backup",)):
        for bucket in buckets:
            (folder / "data" / bucket).mkdir(parents=True, exist_ok=True)
        super().__init__("minio", [tools / "minio", "server", "--quiet", "--address", f"127.0.0.1:{port}", folder / "data"], port,
                         folder / "minio.log", {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off",
                                                "MINIO_PROMETHEUS_AUTH_TYPE": "public", "HOME": str(folder)})
        self.url = f"http://127.0.0.1:{port}"

    def ready(self):
        try:
            return super().ready() and urllib.request.urlopen(f"{self.url}/minio/health/ready", timeout=2).status == 200
        except OSError:
            return False

    def restricted(self, *statements):
        """The environment of credentials that may do only what these (actions, resources, conditions) allow, for an hour."""
        import boto3
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources, **({"Condition": conditions} if conditions else {})}
                                                         for actions, resources, conditions in statements]}
        sts = boto3.client("sts", endpoint_url=self.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
        got = sts.assume_role(RoleArn="arn:aws:iam::1:role/tests", RoleSessionName="tests", Policy=json.dumps(policy))["Credentials"]
        return {"MINIO_ACCESS_KEY": got["AccessKeyId"], "MINIO_SECRET_KEY": got["SecretAccessKey"], "AWS_SESSION_TOKEN": got["SessionToken"]}

    def requests(self):
        """{api: how many S3 requests so far}, as the server counts them."""
        time.sleep(11)  # the server answers metrics from a cache of ten seconds
        text = urllib.request.urlopen(f"{self.url}/minio/v2/metrics/cluster", timeout=10).read().decode()
        counts = {}
        for line in text.splitlines():
            if line.startswith("minio_s3_requests_total{"):
                api = line.split('api="')[1].split('"')[0]
                counts[api] = counts.get(api, 0) + int(float(line.rsplit(" ", 1)[1]))
        return counts

    def received(self):
        """Bytes that clients sent so far."""
        time.sleep(11)
        text = urllib.request.urlopen(f"{self.url}/minio/v2/metrics/cluster", timeout=10).read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("minio_s3_traffic_received_bytes"))


class Mongo(Service):
    """FerretDB: the MongoDB protocol over SQLite files."""

    def __init__(self, tools, folder: Path, port):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__("ferretdb", [tools / "ferretdb", f"127.0.0.1:{port}", folder], port, folder.parent / f"{folder.name}.log")
        self.uri = f"mongodb://127.0.0.1:{port}/"


class Toxiproxy(Service):
    """A TCP proxy that can stall, cut and slow down."""

    def __init__(self, tools, folder: Path, port):
        super().__init__("toxiproxy", [tools / "toxiproxy", "-host", "127.0.0.1", "-port", port], port, folder / "toxiproxy.log")
