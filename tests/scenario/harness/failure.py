# SPDX-License-Identifier: Apache-2.0
"""How a scenario says that something is wrong."""


class Failure(AssertionError):
    """The program did not do what the scenario demands."""


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


def expect(condition, message):
    """Like assert, but always there, and with a sentence."""
    if not condition:
        raise Failure(message)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: wanted {wanted!r}, got {got!r}")
