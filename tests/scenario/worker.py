# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario. Started by tests/runner inside private mount and process namespaces; its configuration is one JSON argument.
Exit code 0: passed; 1: failed; 77: skipped, the last line says why."""
import json
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.failure import Failure, Skip  # noqa: E402
from harness.fixture import Fixture  # noqa: E402
from harness.registry import load  # noqa: E402


def main():
    config = json.loads(sys.argv[1])
    scenario = load()[config["scenario"]]
    fixture = Fixture(config)
    try:
        if scenario.mounted:
            fixture.mount()
        scenario.function(fixture)
        fixture.close()
    except Skip as skip:
        print(skip)
        return 77
    except (Failure, OSError) as failure:
        where = traceback.extract_tb(failure.__traceback__)
        steps = [f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in where if "/scenarios/" in f.filename]
        print(f"{scenario.function.__doc__.strip()}\nFAILED at {' <- '.join(reversed(steps)) or 'the end'}\n{type(failure).__name__}: {failure}")
        return 1
    except BaseException:  # a bug of the test, a time-out: shown whole
        traceback.print_exc(file=sys.stdout)
        print(fixture.log_tail())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
