# SPDX-License-Identifier: Apache-2.0
"""Runs one program with a deadline, and ends all that it started."""
import os
import signal
import subprocess
import time


class Result:
    def __init__(self, code, output, seconds):
        self.code, self.output, self.seconds = code, output, seconds


def run(command, timeout, cwd=None, env=None) -> Result:
    """Runs command (a list) in a process group of its own, which ends with this process, also where that is killed. Output and errors
    together. code is None where the time ran out."""
    start = time.monotonic()
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\n(killed: not done within {timeout} s)\n".encode()
        code = None
    return Result(code, output.decode(errors="replace"), time.monotonic() - start)
