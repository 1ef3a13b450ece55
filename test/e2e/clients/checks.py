"""What the Python programs of checks share: the endpoint they are given, contents that can be recognised, and how results are printed.

    PROGRAM.py ENDPOINT BUCKET MARKER SCALE STORE

Credentials come from the environment, as for any program. MARKER is put into everything that must not be readable at the
store. SCALE is the size in MiB of the largest body. STORE is the store's name. Prints one JSON line for each check,
{"check", "outcome", "note"}.
"""

import hashlib
import json
import os
import sys
import traceback

ENDPOINT, BUCKET, MARKER, SCALE, STORE = sys.argv[1], sys.argv[2], sys.argv[3].encode(), int(sys.argv[4]), sys.argv[5]
MIB = 1 << 20
CHECKS = []


class LeftOut(Exception):
    """This version of the client, or the store, cannot do it."""


def check(name):
    def register(function):
        CHECKS.append((name, function))
        return function

    return register


def content(size):
    body = bytearray(os.urandom(size))
    for at in range(0, size - len(MARKER) + 1, 32768):
        body[at : at + len(MARKER)] = MARKER
    return bytes(body)


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"{str(found)[:200]} instead of {str(wanted)[:200]}")


def raises(kinds, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kinds as error:
        return error
    raise AssertionError(f"accepted; {kinds} was due")


def md5(body):
    return hashlib.md5(body).hexdigest()


def main():
    for name, function in CHECKS:
        try:
            outcome = {"outcome": "passed", "note": function()}
        except LeftOut as reason:
            outcome = {"outcome": "left out", "note": str(reason)}
        except Exception as error:  # every failure of a check is a result, and is printed
            place = traceback.extract_tb(error.__traceback__)[-1]
            outcome = {"outcome": "failed", "note": f"{type(error).__name__}: {error} ({place.name}:{place.lineno})"}
        print(json.dumps({"check": name, **outcome}), flush=True)
