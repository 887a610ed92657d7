# SPDX-License-Identifier: Apache-2.0
"""The list of scenarios. Nothing here or at the top of a scenario file may need more than Python's own library."""
import importlib
import pkgutil
from dataclasses import dataclass
from typing import Callable

PLAIN, DIR, S3 = "plain", "dir", "s3"
EVERYWHERE = (PLAIN, DIR, S3)  # a plain folder is the oracle: what holds there must hold in the mount
MOUNTS = (DIR, S3)             # about the program itself


@dataclass(frozen=True)
class Scenario:
    name: str
    function: Callable
    stores: tuple
    long: bool       # only with --long
    alone: bool      # measures time or memory: nothing beside it
    limit: int       # seconds until it is killed
    notices: tuple   # sabotages between two mounts that must make it fail: bytes, attrs, loss
    asan: bool       # also with the program built with AddressSanitizer
    mounted: bool    # begin with a mount at /backup


ALL = {}


def scenario(stores=EVERYWHERE, long=False, alone=False, limit=120, notices=(), asan=True, mounted=True):
    """Declares the function below as a scenario; its docstring says what it proves."""
    def declare(function):
        name = function.__name__
        if name in ALL or not function.__doc__:
            raise TypeError(f"scenario {name}: declared twice, or without a docstring")
        ALL[name] = Scenario(name, function, tuple(stores), long, alone, limit, tuple(notices), asan and not alone, mounted)
        return function
    return declare


def load():
    """Reads every file of tests/scenario/scenarios; returns {name: Scenario} in the order of the files."""
    package = importlib.import_module("scenarios")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"scenarios.{module}")
    return ALL
