# SPDX-License-Identifier: Apache-2.0
"""The stores' conformance suite against real servers, and the object format's two readers against each other."""
import shutil
import sys
import tempfile
from pathlib import Path

from builds import SANITIZER, cmocka_results
from process import run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from harness.services import ACCESS_KEY, SECRET_KEY, MinIO, Service, certificate  # noqa: E402

BUCKET = "conformance"
NAMES = ["conformance/minio", "conformance/minio-tls", "conformance/versitygw"]


def minio(tools, folder, port):
    return MinIO(tools, folder, port, buckets=(BUCKET,)), {}


def minio_tls(tools, folder, port):
    server = MinIO(tools, folder, port, buckets=(BUCKET,))
    certificates = certificate(folder / "certificates")
    server.command += ["--certs-dir", str(certificates)]
    server.ready = lambda: Service.ready(server)  # its HTTP check would not trust the certificate
    return server, {"PISHOP_TEST_S3_TLS": "1", "PISHOP_TEST_S3_CA": str(certificates / "public.crt")}


def versitygw(tools, folder, port):
    for name in (f"data/{BUCKET}", "sidecar"):
        (folder / name).mkdir(parents=True)
    command = [tools / "versitygw", "--port", f"127.0.0.1:{port}", "--access", ACCESS_KEY, "--secret", SECRET_KEY, "posix", "--sidecar", folder / "sidecar", folder / "data"]
    return Service("versitygw", command, port, folder / "versitygw.log"), {}


def conformance(tools: Path, builds, report, port):
    """Runs the suite of the asan build on each server and reports every test of it."""
    for name, make in zip(NAMES, (minio, minio_tls, versitygw)):
        if not report.wants(name):
            continue
        program = builds.target("asan", "store_conformance") if builds.make("asan") else None
        if not program:
            report.add(name, "skip", 0, reason="no store_conformance in the asan build")
            continue
        folder = Path(tempfile.mkdtemp(prefix="pishopfs-conformance-"))
        server, more = make(tools, folder, port)
        try:
            server.start()
            env = {"PISHOP_TEST_S3": f"127.0.0.1:{port}", "PISHOP_TEST_S3_BUCKET": BUCKET, "PISHOP_TEST_S3_ACCESS": ACCESS_KEY, "PISHOP_TEST_S3_SECRET": SECRET_KEY}
            for words in (["s3"], ["s3", "stack"]):
                title = name if len(words) == 1 else f"{name}-under-layers"
                report_program(report, title, run([program, *words], 300, env={**env, **more, **SANITIZER}))
            if name == "conformance/minio":
                report_program(report, f"{name}-vault", run([builds.target("asan", "test_stores")], 300, env={**env, **SANITIZER}))
        except AssertionError as failure:  # the server did not start
            report.add(name, "FAIL", 0, output=str(failure))
        finally:
            if server.process:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def report_program(report, name, result):
    """Each cmocka test of a program that has ended."""
    tests = cmocka_results(result.output)
    for test, state in tests:
        report.add(f"{name}: {test}", state, result.seconds / len(tests), output=result.output if state == "FAIL" else "")
    if result.code != 0 and "FAIL" not in [state for _, state in tests]:
        report.add(name, "FAIL", result.seconds, reason=f"exit code {result.code}", output=result.output)


def two_readers(root: Path, cache: Path, builds, report):
    """What C writes Python reads, and the other way round; damage is refused by both (tests/format)."""
    if report.wants("format/cross_check") and builds.make("gcc"):
        result = run([str(root / "tests/format/cross_check.sh"), str(builds.path("gcc"))], 300, env={"PYTHON": str(cache / "venv/bin/python")})
        report.add("format/cross_check", "ok" if result.code == 0 else "FAIL", result.seconds, (result.output.splitlines() or [""])[-1], result.output)
