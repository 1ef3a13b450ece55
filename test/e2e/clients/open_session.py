"""Opens a session token with the independent reader: VECTORS-DIRECTORY, and a session's vector as JSON on standard input.

Prints {"opened": [epochs]} or {"refused": step}.
"""

import json
import sys

sys.path.insert(0, sys.argv[1])
import decode  # noqa: E402  (found below the directory that was given)

try:
    print(json.dumps({"opened": sorted(decode.open_session_vector(json.load(sys.stdin))["roots"])}))
except decode.KeyringError as error:
    print(json.dumps({"refused": error.step}))
