"""The promises of the documentation, and whether they hold."""

import contextlib

from client import Ended

SHOWN_CHARACTERS = 600

checks, observations = [], []


def check(promise, holds, seen=None):
    checks.append({"promise": promise, "holds": bool(holds), "seen": seen})
    if not holds:
        print(f"FAULT {promise}: {str(seen)[:SHOWN_CHARACTERS]}", flush=True)


def observe(question, seen):
    observations.append({"question": question, "seen": seen})


@contextlib.contextmanager
def promise(text):
    """A check that fails when one of its steps fails."""
    try:
        yield
        check(text, True)
    except (AssertionError, Ended, TimeoutError, KeyError) as error:
        check(text, False, f"{type(error).__name__} {error}")


def same(one, other):
    assert one == other, f"{one!r} is not {other!r}"
