#!/usr/bin/env python3
"""An independent reader of Sealgate's object format, written from crypto/FORMAT.md. It shares no code with the program.

    decode.py vectors DIR                     opens every vector of the object format in DIR
    decode.py keyrings DIR                    opens and refuses the vectors of keyrings in DIR
    decode.py object --body FILE --metadata FILE.json --bucket B --key K
                     (--root-hex HEX [--epoch N] | --keyring FILE --api-key-file FILE) [--out FILE]

`object` opens one stored object: its body and its metadata as a JSON object (names with or without `x-amz-meta-`), under a
root key or under a tenant's keyring and API key. Plaintext goes to --out or standard output, attributes to standard error.
The operator's MAC on a keyring is not checked there: that takes the server's seal key, which a tenant does not have.

Needs the `cryptography` package (44 or later for Argon2id) and Python 3.9.
"""

import argparse
import base64
import datetime
import binascii
import gzip
import hashlib
import hmac
import json
import os
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHM = b"sealgate-1"
SEGMENT = 65536
TAG = 16
MAX_SIZE = 1 << 48
MAX_PARTS = 10_000
PART_MAGIC = bytes.fromhex("8e5345414c474154450d0a1a0a505401")
LOCATOR_MAGIC = bytes.fromhex("8e5345414c474154450d0a1a0a465401")
PART_HEADER = 48
LOCATOR = 24
BOX_OVERHEAD = 48
MAX_ATTRIBUTES = 65536
MAX_TABLE = 1_220_304
MAX_SMALL = 1 << 20
PART_STEP = 5 << 20
MAX_PAD = 1_870_400
HEADERS = {
    1: "content-type",
    2: "cache-control",
    3: "content-disposition",
    4: "content-encoding",
    5: "content-language",
    6: "expires",
}
CHECKSUMS = {
    1: ("CRC32", 4),
    2: ("CRC32C", 4),
    3: ("CRC64NVME", 8),
    4: ("SHA1", 20),
    5: ("SHA256", 32),
    6: ("SHA512", 64),
    7: ("MD5", 16),
    8: ("XXHASH64", 8),
    9: ("XXHASH3", 8),
    10: ("XXHASH128", 16),
}
CHECKSUM_TYPES = {1: "FULL_OBJECT", 2: "COMPOSITE"}


class FormatError(Exception):
    """Section 10: the code of the piece that was refused."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def require(condition, code):
    if not condition:
        raise FormatError(code)


# Section 1 and 3: notation and keys


def u8(n):
    return struct.pack(">B", n)


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def integer(data):
    return int.from_bytes(data, "big")


def lp(data):
    return u32(len(data)) + data


def frame(*fields):
    return b"".join(lp(field) for field in fields)


def derive(secret, salt, label, *fields):
    info = lp(label.encode()) + hashlib.sha256(frame(*fields)).digest()
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def gcm_open(key, nonce, sealed, aad, code):
    require(len(sealed) >= TAG, code)
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad or None)
    except InvalidTag:
        raise FormatError(code) from None


def open_once(key, sealed, aad, code):
    return gcm_open(key, bytes(12), sealed, aad, code)


# Section 4: header


def base64url(text, code):
    require(isinstance(text, str), code)
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(code) from None
    require(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, code)
    return data


def open_header(roots, tenant, bucket, key, fields):
    """The opened header as a dict: dek, binding, layout, and the attributes that are in it."""
    require(fields.get("enc-algo") == ALGORITHM.decode(), "UNKNOWN_ALGORITHM")
    malformed = "HEADER_MALFORMED"
    field = base64url(fields.get("enc-dek"), malformed)
    has_box = fields.get("enc-attrs") is not None
    box = base64url(fields["enc-attrs"], malformed) if has_box else b""
    stated = fields.get("enc-tenant")
    require(len(field) == 134, malformed)
    require(isinstance(stated, str) and len(stated) == 24 and set(stated) <= set("0123456789abcdef"), malformed)
    layout, location, epoch = field[0], field[1], integer(field[2:6])
    salt, binding, wrapped, commitment = field[6:38], field[38:54], field[54:102], field[102:134]
    require(layout in (0, 1, 2) and location in (0, 1), malformed)
    require((location == 0) == has_box and not (layout == 0 and location == 1), malformed)
    require(bytes.fromhex(stated) == tenant, "HEADER_REFUSED")
    require(epoch in roots, "UNKNOWN_EPOCH")
    name = (tenant, bucket.encode(), key.encode())
    wrap_key = derive(roots[epoch], salt, "sealgate/1/dek-wrap", ALGORITHM, *name, u32(epoch))
    digest = hashlib.sha256(box).digest()
    aad = frame(ALGORITHM, tenant, u32(epoch), u8(layout), u8(location), digest, commitment, binding)
    dek = open_once(wrap_key, wrapped, aad, "HEADER_REFUSED")
    require(hmac.compare_digest(derive(dek, b"", "sealgate/1/commit"), commitment), "HEADER_REFUSED")
    header = {"dek": dek, "binding": binding, "layout": layout, "early": None, "late": None}
    if has_box:
        early, late = open_attributes(dek, layout, box, u8(0), u8(layout), *name)
        require(early is not None and (late is not None) == (layout == 0), "ATTRIBUTES_MALFORMED")
        header["early"], header["late"] = early, late
    return header


# Section 5: attributes


def open_attributes(dek, layout, box, *context):
    require(len(box) >= BOX_OVERHEAD, "ATTRIBUTES_REFUSED")
    key = derive(dek, box[:32], "sealgate/1/attrs", *context)
    return decode_attributes(layout, open_once(key, box[32:], b"", "ATTRIBUTES_REFUSED"))


def decode_attributes(layout, data):
    code = "ATTRIBUTES_MALFORMED"
    require(1 <= len(data) <= MAX_ATTRIBUTES and data[0] in (1, 2, 3), code)
    entries, at = [], 1
    while at < len(data):
        require(at + 3 <= len(data), code)
        tag, length = data[at], integer(data[at + 1 : at + 3])
        require(at + 3 + length <= len(data), code)
        require(not entries or tag >= entries[-1][0], code)
        entries.append((tag, data[at + 3 : at + 3 + length]))
        at += 3 + length
    has_early, has_late = bool(data[0] & 1), bool(data[0] & 2)
    allowed = ({0x01, 0x02} if layout != 2 else set()) | {0x03, 0x04} if has_early else set()
    if has_late:
        allowed |= {0x10, 0x12} | ({0x15} if layout != 0 else set()) | ({0x11, 0x13, 0x14} if layout == 2 else set())
    require(all(tag in allowed for tag, _ in entries), code)

    def all_of(tag):
        return [value for entry, value in entries if entry == tag]

    def one(tag, length):
        values = all_of(tag)
        require(len(values) == 1 and len(values[0]) == length, code)
        return values[0]

    early = decode_early(layout, one, all_of) if has_early else None
    late = decode_late(layout, one, all_of) if has_late else None
    return early, late


def size_of(data, code="ATTRIBUTES_MALFORMED"):
    require(integer(data) <= MAX_SIZE, code)
    return integer(data)


def decode_early(layout, one, all_of):
    code = "ATTRIBUTES_MALFORMED"
    headers, previous = [], 0
    for value in all_of(0x03):
        require(len(value) >= 1 and value[0] in HEADERS and value[0] > previous, code)
        previous = value[0]
        headers.append([HEADERS[previous], value[1:].decode("latin-1")])
    metadata = []
    for value in all_of(0x04):
        require(len(value) >= 2, code)
        end = 2 + integer(value[:2])
        require(2 < end <= len(value), code)
        metadata.append([value[2:end].decode("latin-1"), value[end:].decode("latin-1")])
    require(len({name for name, _ in metadata}) == len(metadata), code)
    early = {"headers": headers, "metadata": metadata}
    if layout != 2:
        early["size"], early["salt"] = size_of(one(0x01, 8)), one(0x02, 32)
    return early


def md5_of(data):
    """Hexadecimal, or None: zeros say that no MD5 was computed."""
    return data.hex() if any(data) else None


def decode_late(layout, one, all_of):
    code = "ATTRIBUTES_MALFORMED"
    etag = one(0x10, 18)
    late = {"md5": md5_of(etag[:16]), "parts": integer(etag[16:]), "checksums": [], "fingerprint": None}
    require(1 <= late["parts"] <= MAX_PARTS if layout == 2 else late["parts"] <= 1, code)
    previous = 0
    for value in all_of(0x12):
        require(len(value) >= 2 and value[0] in CHECKSUMS and value[1] in CHECKSUM_TYPES, code)
        name, length = CHECKSUMS[value[0]]
        require(value[0] > previous and len(value) == 2 + length, code)
        previous = value[0]
        late["checksums"].append([name, CHECKSUM_TYPES[value[1]], value[2:].hex()])
    if layout == 2:
        late["size"] = size_of(one(0x11, 8))
        table = one(0x13, 77)
        require(table[76] == 0 or table[76] in CHECKSUMS, code)
        late["table"] = {
            "salt": table[:32],
            "bytes": integer(table[32:36]),
            "sha256": table[36:68],
            "parts_bytes": size_of(table[68:76]),
            "checksum": CHECKSUMS[table[76]][1] if table[76] else 0,
        }
        late["fingerprint"] = one(0x14, 32).hex()
    if layout != 0:
        late["pad"] = integer(one(0x15, 4))
        require(late["pad"] <= MAX_PAD, code)
    return late


# Section 6: parts


def run_bytes(size):
    return size + TAG * max(1, -(-size // SEGMENT))


def part_bytes(size):
    return PART_HEADER + run_bytes(size)


def open_run(key, sealed, size, code):
    """Segments of `size` bytes of plaintext; `sealed` has the length that this takes."""
    count = max(1, -(-size // SEGMENT))
    plain = []
    for i in range(count):
        nonce = i.to_bytes(11, "big") + u8(1 if i == count - 1 else 0)
        plain.append(gcm_open(key, nonce, sealed[i * (SEGMENT + TAG) : (i + 1) * (SEGMENT + TAG)], b"", code))
    return b"".join(plain)


def open_part(dek, layout, number, size, salt, sealed):
    require(sealed[:PART_HEADER] == PART_MAGIC + salt, "PART_HEADER_REFUSED")
    key = derive(dek, salt, "sealgate/1/part", u8(layout), u16(number))
    return open_run(key, sealed[PART_HEADER:], size, "SEGMENT_REFUSED")


# Section 7: footer


def parse_locator(body):
    locator = body[-LOCATOR:]
    code = "LOCATOR_MALFORMED"
    require(len(locator) == LOCATOR and locator[:16] == LOCATOR_MAGIC, code)
    box, table = integer(locator[16:20]), integer(locator[20:24])
    require(BOX_OVERHEAD < box <= MAX_ATTRIBUTES + BOX_OVERHEAD and table <= MAX_TABLE, code)
    return box, table


def open_table(dek, late, sealed):
    table = late["table"]
    digest = hashlib.sha256(sealed).digest()
    require(len(sealed) == table["bytes"] and digest == table["sha256"], "TABLE_REFUSED")
    length = 58 + table["checksum"]
    size = late["parts"] * length
    require(run_bytes(size) == table["bytes"], "TABLE_MALFORMED")
    key = derive(dek, table["salt"], "sealgate/1/part-table")
    data = open_run(key, sealed, size, "TABLE_REFUSED")
    parts = []
    for at in range(0, size, length):
        entry = data[at : at + length]
        parts.append(
            {
                "number": integer(entry[:2]),
                "size": size_of(entry[2:10], "TABLE_MALFORMED"),
                "salt": entry[10:42],
                "md5": md5_of(entry[42:58]),
                "checksum": entry[58:].hex() or None,
            }
        )
    numbers = [part["number"] for part in parts]
    require(all(a < b for a, b in zip([0] + numbers, numbers)) and numbers[-1] <= MAX_PARTS, "TABLE_MALFORMED")
    require(sum(part["size"] for part in parts) == late["size"], "TABLE_MALFORMED")
    require(sum(part_bytes(part["size"]) for part in parts) == table["parts_bytes"], "TABLE_MALFORMED")
    return parts


def canonical(size):
    """Section 7.5: the stored length that says `size`."""
    if size <= MAX_SMALL:
        return part_bytes(size)
    return run_bytes(size) + 400 + 187 * min(MAX_PARTS, size // PART_STEP + 1)


def said_by(length):
    """The size that a stored length says, or None: found by halving, since `canonical` only rises."""
    low, high = 0, MAX_SIZE
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if canonical(middle) >= length else (middle + 1, high)
    return low if canonical(low) == length else None


# Section 8: a whole object


def require_length(layout, size, length):
    if layout == 0:
        require(size <= MAX_SMALL, "ATTRIBUTES_MALFORMED")
    else:
        said = said_by(length)
        require(said is None or (said == size and size > MAX_SMALL), "ATTRIBUTES_MALFORMED")


def open_object(roots, tenant, bucket, key, fields, body):
    header = open_header(roots, tenant, bucket, key, fields)
    dek, layout, early, late = header["dek"], header["layout"], header["early"], header["late"]
    footer = 0
    if layout != 0:
        box, table = parse_locator(body)
        box_at = len(body) - LOCATOR - box
        require(box_at >= 0, "LENGTH_MISMATCH")
        in_footer, late = open_attributes(dek, layout, body[box_at:-LOCATOR], u8(1), u8(layout), header["binding"])
        require(late is not None, "ATTRIBUTES_MALFORMED")
        early = in_footer if early is None else early
        require(early is not None, "ATTRIBUTES_MALFORMED")
        require(table == (late["table"]["bytes"] if layout == 2 else 0), "LOCATOR_MALFORMED")
        footer = late["pad"] + table + box + LOCATOR
    if layout == 2:
        size = late["size"]
        require(late["table"]["parts_bytes"] + footer == len(body), "LENGTH_MISMATCH")
        require_length(layout, size, len(body))
        parts = open_table(dek, late, body[box_at - table : box_at])
    else:
        size = early["size"]
        require(part_bytes(size) + footer == len(body), "LENGTH_MISMATCH")
        require_length(layout, size, len(body))
        parts = [{"number": 0, "size": size, "salt": early["salt"], "md5": late["md5"], "checksum": None}]
    plain, at = [], 0
    for part in parts:
        end = at + part_bytes(part["size"])
        plain.append(open_part(dek, layout, part["number"], part["size"], part["salt"], body[at:end]))
        at = end
    if layout != 0:
        require(not any(body[at : at + late["pad"]]), "PAD_REFUSED")
    attributes = {
        "size": size,
        "etag": late["md5"] and late["md5"] + (f"-{late['parts']}" if late["parts"] else ""),
        "headers": early["headers"],
        "metadata": early["metadata"],
        "checksums": late["checksums"],
        "fingerprint": late["fingerprint"],
        "parts": [[part["number"], part["size"], part["md5"], part["checksum"]] for part in parts],
    }
    return attributes, b"".join(plain)


# Section 12: keyrings and access key ids


class KeyringError(Exception):
    """The step that refused."""

    def __init__(self, step):
        super().__init__(step)
        self.step = step


def expect(condition, step):
    if not condition:
        raise KeyringError(step)


def canonical_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def decode64(text, length=None):
    data = base64.b64decode(text, validate=True)
    expect(base64.b64encode(data).decode() == text and length in (None, len(data)), "malformed")
    return data


def unseal_access_key_id(seal_keys, text):
    """(tenant, slot, KDF secret, signing secret); `seal_keys` maps kid to bytes."""
    step = "access-key-id"
    expect(text.startswith("SG1"), step)
    try:
        data = base64url(text[3:], step)
    except FormatError:
        raise KeyringError(step) from None
    return unseal_api_key(seal_keys, data, "sealgate/1/akid", lambda kid: frame(b"SG1", kid), 47)


def unseal_registered_id(seal_keys, text, record):
    """The same for a registered id and the bytes of its record in the state."""
    step = "access-key-id"
    expect(len(text) == 20 and text.startswith("SGRK"), step)
    try:
        data = base64.b32decode(text[4:])
    except ValueError:
        raise KeyringError(step) from None
    checks = [mac(derive(one, b"", "sealgate/1/registered-check"), data[:6])[:4] for one in seal_keys.values()]
    expect(any(hmac.compare_digest(check, data[6:]) for check in checks), step)
    aad = lambda kid: frame(b"sealgate-registered/1", kid, text.encode())
    return unseal_api_key(seal_keys, record, "sealgate/1/registered-id", aad, 60)


def unseal_api_key(seal_keys, data, label, aad, max_raw):
    step = "access-key-id"
    for kid, seal_key in seal_keys.items():
        if data[:1] != hashlib.sha256(kid.encode()).digest()[:1] or len(data) < 13 + TAG:
            continue
        try:
            plain = gcm_open(derive(seal_key, b"", label), data[1:13], data[13:], aad(kid.encode()), step)
        except FormatError:
            continue
        tenant, slot, kind, secret = plain[:12], plain[12:16], plain[16:17], plain[17:]
        if kind == b"\x01":
            expect(len(secret) == 32, step)
            secret = base64.urlsafe_b64encode(secret).rstrip(b"=")
        elif kind == b"\x02":
            expect(1 <= len(secret) <= max_raw, step)
        else:
            expect(kind == b"\x03" and len(secret) == 32, step)
        return tenant, slot, secret, secret if kind == b"\x03" else b"AWS4" + secret
    raise KeyringError(step)


def open_session(seal_keys, records, token):
    """What a token says, with the credentials that belong to it; `records` maps names in the state to bytes."""
    step = "token"
    expect(token.startswith("SGS1"), step)
    try:
        data = base64url(token[4:], step)
    except FormatError:
        raise KeyringError(step) from None
    expect(len(data) >= 15 + 76 + TAG, step)
    day = integer(data[1:3])
    for kid, seal_key in seal_keys.items():
        if data[:1] != hashlib.sha256(kid.encode()).digest()[:1]:
            continue
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
        record = records.get(f"sessions/{date.isoformat()}/{kid}")
        if record is None:
            continue
        parsed = json.loads(record)
        expect(canonical_json(parsed) == record and set(parsed) == {"format", "salt", "sealed"}, step)
        name = b"sealgate-session-day/1"
        expect(parsed["format"].encode() == name, step)
        key = derive(seal_key, decode64(parsed["salt"], 32), "sealgate/1/session-day")
        try:
            secret = open_once(key, decode64(parsed["sealed"], 48), frame(name, kid.encode(), data[1:3]), step)
            session_key = derive(seal_key, secret, "sealgate/1/session")
            content = gcm_open(session_key, data[3:15], data[15:], frame(b"SGS1", kid.encode(), data[1:3]), step)
        except FormatError:
            continue
        session_id, caller = content[:12], content[12:44]
        issued, ends = integer(content[68:72]), integer(content[72:76])
        expect(issued // 86400 == day, step)
        secret = derive(caller, session_id, "sealgate/1/session-secret", hashlib.sha256(content).digest())
        name = base64.b32encode(hashlib.sha256(session_id).digest()).decode()
        return {
            "accessKeyId": "SGS" + name[:17],
            "secretAccessKey": base64.urlsafe_b64encode(secret).rstrip(b"=").decode(),
            "callerSecret": caller,
            "tenant": content[44:56].hex(),
            "slot": content[56:60].hex(),
            "slotSerial": integer(content[60:64]),
            "roleSerial": integer(content[64:68]),
            "issuedAt": issued,
            "endsAt": ends,
            "details": content[76:].decode(),
        }
    raise KeyringError(step)


def open_role_arn(seal_keys, arn):
    """(tenant, slot, secret) of a role's ARN."""
    step = "arn"
    prefix = "arn:aws:iam::000000000000:role/"
    expect(arn.startswith(prefix) and "/SGR1" in arn, step)
    name, sealed = arn[len(prefix) :].split("/SGR1")
    try:
        data = base64url(sealed, step)
    except FormatError:
        raise KeyringError(step) from None
    expect(len(data) == 77, step)
    for kid, seal_key in seal_keys.items():
        if data[:1] != hashlib.sha256(kid.encode()).digest()[:1]:
            continue
        try:
            key = derive(seal_key, b"", "sealgate/1/role-arn")
            plain = gcm_open(key, data[1:13], data[13:], frame(b"SGR1", kid.encode(), name.encode()), step)
        except FormatError:
            continue
        return plain[:12].hex(), plain[12:16].hex(), plain[16:]
    raise KeyringError(step)


def open_session_vector(vector):
    seal_keys = {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]}
    records = {name: text.encode() for name, text in vector["records"].items()}
    session = open_session(seal_keys, records, vector["sessionToken"])
    keyring = parse_keyring(vector["keyring"].encode())
    expect(keyring["tenant"] == session["tenant"], "tenant")
    check_operator_mac(keyring, seal_keys)
    slot = next((one for one in keyring["slots"] if one["id"] == session["slot"] and "sessionSerial" in one), None)
    expect(slot is not None and slot["status"] == "active", "slot")
    expect(slot["sessionSerial"] == session["slotSerial"], "slot")
    derived = session.pop("callerSecret")
    if "arn" in vector:
        expect(open_role_arn(seal_keys, vector["arn"]) == (session["tenant"], session["slot"], derived), "arn")
    tenant, slot_id = bytes.fromhex(keyring["tenant"]), bytes.fromhex(slot["id"])
    commitment = derive(derived, decode64(slot["salt"], 32), "sealgate/1/slot-commit", tenant, slot_id)
    expect(hmac.compare_digest(commitment, decode64(slot["commitment"], 32)), "commitment")
    roots = open_roots(keyring, slot, derived)
    return {**session, "roots": {str(epoch): root.hex() for epoch, root in roots.items()}}


def kdf_secret(api_key):
    """What the KDF takes of a secret access key, from the text of the key."""
    data = api_key.encode()
    return hashlib.sha256(b"AWS4" + data).digest() if len(data) > 60 else data


# Each type of slot, to be added to when there is another: members under the root MAC ("record", `wraps` aside), members under the
# operator's MAC alone ("terms"), members of a wrap, how many a keyring may have, and whether an access key id can name one.
SLOT_TYPES = {
    "api-key": {
        "record": "commitment created id kdf salt type",
        "terms": "accessKeyId expires grants idKid kdfUpgrade label policy registeredIds sessionSerial status",
        "wrap": "epoch salt wrapped",
        "most": 64,
        "signs": True,
        "operator removes": True,
    },
    "api-key+kms": {
        "record": "commitment created id kdf salt type",
        "terms": "accessKeyId expires grants idKid kdfUpgrade kms label policy registeredIds sessionSerial status",
        "wrap": "epoch salt wrapped",
        "most": 64,
        "signs": True,
        "operator removes": True,
    },
    "kms": {
        "record": "commitment created id salt type",
        "terms": "kms label",
        "wrap": "epoch salt wrapped",
        "most": 4,
        "signs": False,
        "operator removes": True,
    },
    "role": {
        "record": "commitment created id kept name salt trust type",
        "terms": "approvals assumableBy expires grants idKid label policy sessionSerial status",
        "optional": "approvals",
        "wrap": "epoch salt wrapped",
        "most": 64,
        "signs": False,
        "operator removes": True,
    },
    "escrow": {
        "record": "created id publicKey suite type",
        "terms": "",
        "wrap": "enc epoch wrapped",
        "most": 1,
        "signs": False,
        "operator removes": False,
    },
}


KDF_BOUNDS = {
    "hkdf-sha256": {},
    "argon2id": {"memory": (19_456, 262_144), "passes": (2, 10), "parallelism": (1, 4)},
    "pbkdf2-sha256": {"iterations": (600_000, 10_000_000)},
}


def check_kdf(kdf, requested):
    """A KDF of a slot; a requested one may have a time until which it waits."""
    expect(isinstance(kdf, dict) and kdf.get("name") in KDF_BOUNDS, "malformed")
    bounds = KDF_BOUNDS[kdf["name"]]
    expect(set(kdf) - ({"after"} if requested else set()) == {"name", *bounds}, "malformed")
    expect(all(isinstance(kdf[name], int) and low <= kdf[name] <= high for name, (low, high) in bounds.items()), "malformed")
    if "after" in kdf:
        check_time(kdf["after"])


def check_time(text):
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError):
        raise KeyringError("malformed") from None


def slot_record(slot):
    return {name: slot[name] for name in SLOT_TYPES[slot["type"]]["record"].split()}


def check_slots(keyring):
    """Known types with exactly their members; none too often; ids ascending, and once."""
    live = [epoch["epoch"] for epoch in keyring["epochs"] if epoch["state"] != "retired"]
    for slot in keyring["slots"]:
        kind = SLOT_TYPES.get(slot["type"])
        expect(kind is not None, "malformed")
        optional = set(kind.get("optional", "").split())
        expect(set(slot) - optional == set((kind["record"] + " wraps " + kind["terms"]).split()) - optional, "malformed")
        expect(set(slot) <= set((kind["record"] + " wraps " + kind["terms"]).split()), "malformed")
        expect([wrap["epoch"] for wrap in slot["wraps"]] == live, "malformed")
        expect(all(set(wrap) == set(kind["wrap"].split()) for wrap in slot["wraps"]), "malformed")
        if "kdf" in slot:
            check_kdf(slot["kdf"], False)
            if slot["kdfUpgrade"] is not None:
                check_kdf(slot["kdfUpgrade"], True)
        if "kms" in slot:
            expect(set(slot["kms"]) == set("blob key provider version wrapped".split()), "malformed")
            expect(1 <= len(decode64(slot["kms"]["blob"])) <= 2048, "malformed")
            expect(bool(re.fullmatch(r"[a-z][a-z0-9-]{0,15}:[a-z0-9-]{1,32}", slot["kms"]["provider"])), "malformed")
    if "requireKms" in keyring:
        expect(keyring["requireKms"] == "yes" and all("kms" in slot for slot in keyring["slots"]), "malformed")
    for name, kind in SLOT_TYPES.items():
        expect(sum(slot["type"] == name for slot in keyring["slots"]) <= kind["most"], "malformed")
    for slot in keyring["removed"]:
        expect(set(slot) == {"digest", "id", "removed", "type"}, "malformed")
        expect(SLOT_TYPES.get(slot["type"], {}).get("operator removes", False), "malformed")
    for slots in (keyring["slots"], keyring["removed"]):
        ids = [slot["id"] for slot in slots]
        expect(ids == sorted(ids), "malformed")
    ids = [slot["id"] for slot in keyring["slots"] + keyring["removed"]]
    expect(len(ids) == len(set(ids)), "malformed")


def key_slots(keyring):
    return [slot for slot in keyring["slots"] if SLOT_TYPES[slot["type"]]["signs"]]


def check_name(name):
    expect(isinstance(name, str), "malformed")
    is_name = re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", name) and not re.fullmatch(r"[0-9a-f]{24}", name)
    expect(name == "" or bool(is_name), "malformed")


def parse_keyring(data):
    try:
        keyring = json.loads(data.decode("utf-8"))
        expect(canonical_json(keyring) == data, "malformed")
    except (ValueError, RecursionError):
        raise KeyringError("malformed") from None
    expect(isinstance(keyring, dict) and keyring.get("format") == "sealgate-keyring/1", "malformed")
    members = "created epochs format generation name operatorKid operatorMac removed rootMac slots tenant updated"
    expect(set(keyring) - {"requireKms"} == set(members.split()), "malformed")
    check_name(keyring["name"])
    check_slots(keyring)
    return keyring


def check_operator_mac(keyring, seal_keys):
    seal_key = seal_keys.get(keyring["operatorKid"])
    expect(seal_key is not None, "operator-mac")
    key = derive(seal_key, b"", "sealgate/1/keyring-operator", bytes.fromhex(keyring["tenant"]))
    covered = {name: value for name, value in keyring.items() if name != "operatorMac"}
    expect(hmac.compare_digest(mac(key, canonical_json(covered)), decode64(keyring["operatorMac"], 32)), "operator-mac")


def slot_secret(tenant, slot, secret):
    kdf, salt = slot["kdf"], decode64(slot["salt"], 32)
    if kdf["name"] == "hkdf-sha256":
        return derive(secret, salt, "sealgate/1/slot-secret", tenant, bytes.fromhex(slot["id"]))
    if kdf["name"] == "pbkdf2-sha256":
        expect(600_000 <= kdf["iterations"] <= 10_000_000, "malformed")
        return hashlib.pbkdf2_hmac("sha256", secret, salt, kdf["iterations"])
    expect(kdf["name"] == "argon2id", "malformed")
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    expect(19_456 <= kdf["memory"] <= 262_144 and 2 <= kdf["passes"] <= 10 and 1 <= kdf["parallelism"] <= 4, "malformed")
    return Argon2id(
        salt=salt, length=32, iterations=kdf["passes"], lanes=kdf["parallelism"], memory_cost=kdf["memory"]
    ).derive(secret)


def with_kms(tenant, slot, callers, added):
    """The slot secret of type api-key+kms, from A and from what the KMS gives out."""
    label = "sealgate/1/slot-secret-kms"
    return derive(frame(callers, added), decode64(slot["salt"], 32), label, tenant, bytes.fromhex(slot["id"]))


def opened_slot(keyring, slot, secret, added=None):
    """The slot secret when `secret`, and `added` by the KMS where the slot needs one, open the slot; else None."""
    tenant, slot_id = bytes.fromhex(keyring["tenant"]), bytes.fromhex(slot["id"])
    derived = slot_secret(tenant, slot, secret)
    if slot["type"] == "api-key+kms":
        if added is None:
            return None
        derived = with_kms(tenant, slot, derived, added)
    commitment = derive(derived, decode64(slot["salt"], 32), "sealgate/1/slot-commit", tenant, slot_id)
    return derived if hmac.compare_digest(commitment, decode64(slot["commitment"], 32)) else None


def open_roots(keyring, slot, derived):
    """Root keys by epoch, after the root MAC was checked."""
    tenant, slot_id = bytes.fromhex(keyring["tenant"]), bytes.fromhex(slot["id"])
    # Whom a role trusts is under the root MAC alone.
    record = {name: value for name, value in slot_record(slot).items() if name != "trust"}
    roots = {}
    for wrap in slot["wraps"]:
        key = derive(derived, decode64(wrap["salt"], 32), "sealgate/1/root-wrap", tenant, slot_id, u32(wrap["epoch"]))
        try:
            roots[wrap["epoch"]] = open_once(key, decode64(wrap["wrapped"], 48), canonical_json(record), "unwrap")
        except FormatError:
            raise KeyringError("unwrap") from None
    check_root_mac(keyring, roots)
    return roots


def check_root_mac(keyring, roots):
    """Every epoch in use is there, and the keyring is signed under the current one's root key."""
    tenant = bytes.fromhex(keyring["tenant"])
    live = [epoch["epoch"] for epoch in keyring["epochs"] if epoch["state"] != "retired"]
    expect(sorted(roots) == live, "malformed")
    current = keyring["epochs"][-1]
    expect(current["state"] == "current", "malformed")

    def digest(one):
        covered = {**slot_record(one), "wraps": one["wraps"]}
        return hashlib.sha256(canonical_json(covered)).hexdigest()

    slots = [{"digest": digest(one), "id": one["id"], "type": one["type"]} for one in keyring["slots"]]
    slots += [{name: one[name] for name in ("digest", "id", "type")} for one in keyring["removed"]]
    covered = {name: keyring[name] for name in ("epochs", "format", "requireKms") if name in keyring}
    covered["slots"] = sorted(slots, key=lambda one: one["id"])
    key = derive(roots[current["epoch"]], b"", "sealgate/1/keyring-mac", tenant)
    expect(hmac.compare_digest(mac(key, canonical_json(covered)), decode64(keyring["rootMac"], 32)), "root-mac")


# Section 12, slots of type escrow: HPKE (RFC 9180) in base mode, written from the RFC; only X25519, HMAC and AES-GCM come from elsewhere

KEM_SUITE = b"KEM" + u16(0x0020)
HPKE_SUITE = b"HPKE" + u16(0x0020) + u16(0x0001) + u16(0x0002)


def labeled_extract(suite, salt, label, ikm):
    return mac(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    labeled_info = u16(length) + b"HPKE-v1" + suite + label + info
    return HKDFExpand(SHA256(), length, labeled_info).derive(prk)


def hpke_open(private, public, enc, info, aad, sealed):
    """SetupBaseR and one Open; KeyringError "escrow" for whatever is not authentic."""
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(enc))
    except ValueError:
        raise KeyringError("escrow") from None
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared_secret = labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + public, 32)
    psk_id_hash = labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    schedule = b"\x00" + psk_id_hash + info_hash
    secret = labeled_extract(HPKE_SUITE, shared_secret, b"secret", b"")
    key = labeled_expand(HPKE_SUITE, secret, b"key", schedule, 32)
    nonce = labeled_expand(HPKE_SUITE, secret, b"base_nonce", schedule, 12)
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise KeyringError("escrow") from None


SHARE_LINE = re.compile(r"sealgate-escrow-share-1:(\d{1,2}):([0-9a-f]{16}):([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{44}):([0-9a-f]{8})")


def field_times(a, b):
    """GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def field_inverse(a):
    return next(b for b in range(1, 256) if field_times(a, b) == 1)


def at_zero(points):
    """The value at 0 of the polynomial through the points."""
    value = 0
    for x, y in points:
        term = y
        for other, _ in points:
            if other != x:
                term = field_times(term, field_times(other, field_inverse(other ^ x)))
        value ^= term
    return value


def join_shares(texts):
    shares = []
    for text in texts:
        lines = [line.strip() for line in text.split("\n") if line.strip() and not line.startswith("#")]
        found = SHARE_LINE.fullmatch(lines[0]) if len(lines) == 1 else None
        expect(found is not None, "share")
        digest = hashlib.sha256(lines[0].rsplit(":", 1)[0].encode()).hexdigest()
        expect(digest[:8] == found[5], "check")
        shares.append((int(found[1]), found[2], decode64(found[3], 32), decode64(found[4], 33)))
    threshold, group, public, _ = shares[0]
    expect(all(share[:3] == (threshold, group, public) for share in shares), "set")
    expect(len({share[3][32] for share in shares}) == len(shares), "twice")
    expect(len(shares) >= threshold, "threshold")
    private = bytes(at_zero([(share[3][32], share[3][i]) for share in shares]) for i in range(32))
    expect(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == public, "public-key")
    return {"privateKey": private.hex(), "publicKey": public.hex()}


def open_escrow(keyring, private):
    """Root keys by epoch from the slot of type escrow, after the root MAC was checked."""
    escrow = next((slot for slot in keyring["slots"] if slot["type"] == "escrow"), None)
    tenant = bytes.fromhex(keyring["tenant"])
    expect(escrow is not None and escrow["suite"] == 1, "escrow")
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    expect(decode64(escrow["publicKey"], 32) == public, "escrow")
    aad = canonical_json(slot_record(escrow))
    roots = {}
    for wrap in escrow["wraps"]:
        fields = hashlib.sha256(frame(u8(1), tenant, u32(wrap["epoch"]), public)).digest()
        info = lp(b"sealgate/1/escrow") + fields
        enc, sealed = decode64(wrap["enc"], 32), decode64(wrap["wrapped"], 48)
        roots[wrap["epoch"]] = hpke_open(private, public, enc, info, aad, sealed)
    check_root_mac(keyring, roots)
    return roots


def open_escrow_vector(vector):
    keyring = parse_keyring(vector["keyring"].encode())
    check_operator_mac(keyring, {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]})
    roots = open_escrow(keyring, bytes.fromhex(vector["privateKey"]))
    return {str(epoch): root.hex() for epoch, root in roots.items()}


def open_keyring_vector(vector):
    seal_keys = {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]}
    access_key_id = vector["accessKeyId"]
    if "record" in vector:
        opened = unseal_registered_id(seal_keys, access_key_id, bytes.fromhex(vector["record"]))
    else:
        opened = unseal_access_key_id(seal_keys, access_key_id)
    tenant, slot_id, secret, signing = opened
    keyring = parse_keyring(vector["keyring"].encode())
    expect(keyring["tenant"] == tenant.hex(), "tenant")
    check_operator_mac(keyring, seal_keys)
    slot = next((one for one in key_slots(keyring) if one["id"] == slot_id.hex()), None)
    expect(slot is not None and slot["status"] == "active", "slot")
    takes = slot["registeredIds"] if slot["accessKeyId"] == "registered" else [access_key_id]
    expect((slot["accessKeyId"] == "registered") == ("record" in vector) and access_key_id in takes, "slot")
    added = bytes.fromhex(vector["kmsSecret"]) if "kmsSecret" in vector else None
    derived = opened_slot(keyring, slot, secret, added)
    expect(derived is not None, "commitment")
    roots = open_roots(keyring, slot, derived)
    return {
        "tenant": tenant.hex(),
        "slot": slot_id.hex(),
        "signingSecret": signing.hex(),
        "slotSecret": derived.hex(),
        "roots": {str(epoch): root.hex() for epoch, root in roots.items()},
    }


def open_kms_vector(vector):
    """A slot of type kms: what the KMS gives out is the slot secret."""
    if "accessKeyId" in vector:
        opened = open_keyring_vector(vector)
        return {name: opened[name] for name in ("slot", "slotSecret", "roots")}
    keyring = parse_keyring(vector["keyring"].encode())
    check_operator_mac(keyring, {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]})
    slot = next(one for one in keyring["slots"] if one["type"] == "kms")
    derived, tenant = bytes.fromhex(vector["kmsSecret"]), bytes.fromhex(keyring["tenant"])
    commitment = derive(derived, decode64(slot["salt"], 32), "sealgate/1/slot-commit", tenant, bytes.fromhex(slot["id"]))
    expect(hmac.compare_digest(commitment, decode64(slot["commitment"], 32)), "commitment")
    roots = open_roots(keyring, slot, derived)
    return {"slot": slot["id"], "slotSecret": derived.hex(), "roots": {str(epoch): root.hex() for epoch, root in roots.items()}}


# Commands


def read_vector(data):
    head, body = data.split(b"\n\n", 1)
    fields, roots = {}, {}
    for line in head.decode().split("\n"):
        name, value = line.split(": ", 1)
        if name == "root":
            epoch, root = value.split(" ")
            roots[int(epoch)] = bytes.fromhex(root)
        else:
            fields[name] = value
    return fields, roots, body


def run_vector(data):
    """None when the vector gives its result, else what it gave."""
    fields, roots, body = read_vector(data)
    tenant = bytes.fromhex(fields["tenant"])
    try:
        bucket, key = json.loads(fields["bucket"]), json.loads(fields["key"])
        attributes, plaintext = open_object(roots, tenant, bucket, key, fields, body)
    except FormatError as error:
        return None if fields["result"] == error.code else error.code
    if fields["result"] != "success":
        return "success"
    if attributes != json.loads(fields["attributes"]):
        return f"other attributes: {json.dumps(attributes)}"
    return None if hashlib.sha256(plaintext).hexdigest() == fields["plaintext-sha256"] else "other plaintext"


def command_vectors(directory):
    failures, names = 0, sorted(os.listdir(directory))
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            found = run_vector(file.read())
        if found is not None:
            failures += 1
            print(f"{name}: {found}")
    print(f"{len(names)} vectors, {failures} failures")
    return 0 if names and failures == 0 else 1


# Section 12: audit log

AUDIT_MAGIC = b"sealgate-audit/1"


APPROVERS_MEMBERS = {"approvers", "delaySeconds", "deployment", "format", "generation", "kid", "mac", "required", "updated"}
REQUEST_MEMBERS = {
    "action", "approvers", "basis", "created", "delaySeconds", "deployment", "expires", "format", "id", "kid", "mac",
    "needed", "parameters", "reason", "requester", "tenant",
}


def signed_record(body, members, format_, seal_keys, step, label, *fields):
    """A record of the operator, its MAC verified."""
    record = json.loads(body)
    expect(canonical_json(record) == body.encode() and set(record) == members and record["format"] == format_, step)
    seal_key = seal_keys.get(record["kid"])
    expect(seal_key is not None, step)
    covered = {name: value for name, value in record.items() if name != "mac"}
    key = derive(seal_key, b"", label, *fields)
    expect(hmac.compare_digest(mac(key, canonical_json(covered)), decode64(record["mac"], 32)), step)
    return record


def is_one_of(principals, requester):
    return any(p == requester or (p.startswith("operator:") and requester.startswith(p + "@")) for p in principals)


def has_approved(approver, signed, body):
    try:
        record = json.loads(body)
        if record["format"] != "sealgate-approval-signature/1":
            return False
        key = Ed25519PublicKey.from_public_bytes(decode64(approver["publicKey"], 32))
        key.verify(decode64(record["signature"], 64), signed)
        return True
    except (InvalidSignature, KeyError, ValueError):
        return False


def open_approval_vector(vector):
    seal_keys = {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]}
    approvers = signed_record(
        vector["approvers"], APPROVERS_MEMBERS, "sealgate-approvers/1", seal_keys, "approvers", "sealgate/1/approvers"
    )
    tag = "sealgate-approval/1"
    id_ = bytes.fromhex(vector["id"])
    request = signed_record(vector["request"], REQUEST_MEMBERS, tag, seal_keys, "request", "sealgate/1/approval", id_)
    expect(request["id"] == vector["id"] and request["deployment"] == approvers["deployment"], "request")
    expect(request["approvers"] <= approvers["generation"], "approvers-older")
    signed = frame(
        tag.encode(), bytes.fromhex(request["deployment"]), bytes.fromhex(request["tenant"]), id_, request["action"].encode(),
        canonical_json(request["parameters"]),
        *(request[name].encode() for name in ("basis", "requester", "reason", "expires")),
    )
    approved = [
        one["name"] for one in approvers["approvers"]
        if not is_one_of(one["principals"], request["requester"])
        and one["name"] in vector["signatures"]
        and has_approved(one, signed, vector["signatures"][one["name"]])
    ]
    return {"approvedBy": approved, "signedBytes": signed.hex()}


def audit_signing_key(seal_key):
    return Ed25519PrivateKey.from_private_bytes(derive(seal_key, b"", "sealgate/1/audit-signer")).public_key()


def raw_public(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def verifier_key(name, public):
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    return key_id, f"{name}+{key_id.hex()}+{base64.b64encode(bytes([1]) + public).decode()}"


def open_audit_key(seal_keys, key_id, body):
    record = json.loads(body)
    expect(record["format"] == "sealgate-audit-key/1" and record["kid"] in seal_keys, "audit-key")
    key = derive(seal_keys[record["kid"]], decode64(record["salt"], 32), "sealgate/1/audit-key")
    aad = frame(b"sealgate-audit-key/1", key_id.encode(), record["kid"].encode())
    try:
        return open_once(key, decode64(record["sealed"]), aad, "audit-key")
    except FormatError:
        raise KeyringError("audit-key") from None


def open_segment(records, seal_keys, name):
    """Header and events of a segment that is the one of its name."""
    step = "segment"
    body = records.get(name)
    expect(body is not None and body[:16] == AUDIT_MAGIC, step)
    minute, rest = name.split("/")[2:]
    boot, number, digest = rest.split("-")
    expect(hashlib.sha256(body).hexdigest() == digest, step)
    length = integer(body[16:20])
    header_bytes = body[20 : 20 + length]
    header = json.loads(header_bytes)
    expect(canonical_json(header) == header_bytes, step)
    expect([header["minute"], header["boot"], header["seq"]] == [minute, boot, int(number)], step)
    record = records.get(f"audit/key/{header['key']}")
    expect(record is not None, "audit-key")
    key = derive(open_audit_key(seal_keys, header["key"], record), decode64(header["salt"], 32), "sealgate/1/audit-segment")
    try:
        packed = open_once(key, body[20 + length :], frame(AUDIT_MAGIC, header_bytes), step)
    except FormatError:
        raise KeyringError(step) from None
    lines = gzip.decompress(packed).decode().splitlines() if packed else []
    expect(len(lines) == header["events"], step)
    return header, lines


def merkle_root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def check_checkpoint(batch, body, leaves):
    """The note of a batch: the root of the tree, and the signature of the batch's signer. Gives origin, signer and root."""
    note = decode64(batch["checkpoint"]).decode()
    text, _, signatures = note.partition("\n\n")
    origin, size, root, extension = text.split("\n")
    expect(int(size) == len(leaves) and decode64(root, 32) == merkle_root(leaves), "root")
    rest = {name: value for name, value in batch.items() if name != "checkpoint"}
    digest = base64.b64encode(hashlib.sha256(canonical_json(rest)).digest()).decode()
    expect(extension == f"sealgate-audit-batch/1 {batch['n']} {digest}", "note")
    public = decode64(batch["signer"].split("+", 2)[2])[1:]
    key_id, verifier = verifier_key(origin, public)
    expect(verifier == batch["signer"], "note")
    signature = decode64(signatures.split(" ")[2].strip())
    expect(signature[:4] == key_id, "note")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], (text + "\n").encode())
    except InvalidSignature:
        raise KeyringError("note") from None
    return origin, public, root


def open_audit_vector(vector):
    """Follows the batches, opens every segment that they name, and gives ids of events, size and root."""
    seal_keys = {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]}
    records = {name: base64.b64decode(body) for name, body in vector["records"].items()}
    own = [raw_public(audit_signing_key(key)) for key in seal_keys.values()]
    leaves, events, previous, signer, writers, root = [], [], "", None, {}, ""
    for n in range(len([name for name in records if name.startswith("audit/batch/")])):
        body = records.get(f"audit/batch/{n:010}")
        expect(body is not None, "batch")
        batch = json.loads(body)
        expect(canonical_json(batch) == body and batch["n"] == n and batch["format"] == "sealgate-audit-batch/1", "batch")
        expect(batch["previous"] == previous, "chain")
        leaves += [name.encode() for name in batch["segments"]]
        origin, public, root = check_checkpoint(batch, body, leaves)
        if signer is None:
            expect(public in own, "signer")
        elif public != signer:
            message = frame(b"sealgate-audit-signer/1", origin.encode(), public)
            try:
                Ed25519PublicKey.from_public_bytes(signer).verify(decode64(batch["handover"]), message)
            except InvalidSignature:
                raise KeyringError("signer") from None
        previous, signer = hashlib.sha256(body).hexdigest(), public
        for name in batch["segments"]:
            header, lines = open_segment(records, seal_keys, f"audit/segment/{name}")
            seq, sha = writers.get(header["boot"], (-1, ""))
            expect(header["seq"] == seq + 1 and header["previous"] == sha, "chain")
            writers[header["boot"]] = (header["seq"], name.rsplit("-", 1)[1])
            events += [json.loads(line)["eventID"] for line in lines]
    return {"events": events, "size": len(leaves), "root": root}


ACTIVE_MEMBERS = {"before", "beforeMac", "format", "generation", "kid", "mac", "updated"}


def open_active_record(seal_keys, body):
    """The record of the active seal key: its kid, its generation, and whether the seal key before is at hand and signed it."""
    try:
        record = json.loads(body)
    except ValueError:
        raise KeyringError("form") from None
    expect(isinstance(record, dict) and set(record) == ACTIVE_MEMBERS and canonical_json(record) == body, "form")
    kid, before = record["kid"], record["before"]
    whole = (before is None) == (record["beforeMac"] is None) and before != kid
    expect(record["format"] == "sealgate-active-seal-key/1" and record["generation"] >= 1 and whole, "form")
    covered = canonical_json({name: value for name, value in record.items() if name not in ("mac", "beforeMac")})
    expect(kid in seal_keys or before in seal_keys, "seal-key")
    for name, signer in (("mac", kid), ("beforeMac", before)):
        if signer in seal_keys:
            made = mac(derive(seal_keys[signer], b"", "sealgate/1/active-seal-key"), covered)
            expect(hmac.compare_digest(made, decode64(record[name], 32)), "mac")
    return {"kid": kid, "generation": record["generation"], "proved": before in seal_keys}


def open_replica_report(seal_keys, boot, body):
    """The report of a replica: what it signs with, and which of the seal keys at hand it proves to have."""
    record = json.loads(body)
    expect(record["format"] == "sealgate-replica/1", "report")
    expect(record["kid"] in seal_keys, "seal-key")
    key = derive(seal_keys[record["kid"]], decode64(record["salt"], 32), "sealgate/1/replica")
    aad = frame(b"sealgate-replica/1", record["kid"].encode(), boot.encode())
    try:
        report = json.loads(open_once(key, decode64(record["sealed"]), aad, "report"))
    except FormatError:
        raise KeyringError("report") from None
    data = frame(b"sealgate-replica/1", boot.encode(), report["expires"].encode())
    held = []
    for one in report["held"]:
        if one["kid"] in seal_keys:
            made = mac(derive(seal_keys[one["kid"]], b"", "sealgate/1/replica-proof"), data)
            if hmac.compare_digest(made, decode64(one["proof"], 32)):
                held.append(one["kid"])
    return {"signs": record["kid"], "active": report["active"], "held": sorted(held), "host": report["host"]}


def open_seal_key_vector(vector):
    seal_keys = {one["kid"]: bytes.fromhex(one["key"]) for one in vector["sealKeys"]}
    body = base64.b64decode(vector["body"])
    if vector["kind"] == "active":
        return open_active_record(seal_keys, body)
    return open_replica_report(seal_keys, vector["boot"], body)


def command_keyrings(directory):
    failures, count = 0, 0
    for file_name in ("opens.json", "refused.json"):
        with open(os.path.join(directory, file_name), encoding="utf-8") as file:
            vectors = json.load(file)
        for vector in vectors:
            count += 1
            expected = vector.get("step", "opens")
            try:
                opened = open_keyring_vector(vector)
                same = all(vector.get(name, value) == value for name, value in opened.items())
                found = "opens" if same else "other keys"
            except KeyringError as error:
                found = error.step
            if found != expected:
                failures += 1
                print(f"{vector['name']}: {found}, expected {expected}")
    with open(os.path.join(directory, "escrow.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_escrow_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "sessions.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_session_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "kms.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_kms_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "audit.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_audit_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "shares.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = join_shares(vector["shares"])
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "approvals.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_approval_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    with open(os.path.join(directory, "seal-keys.json"), encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        count += 1
        try:
            found = open_seal_key_vector(vector)
        except KeyringError as error:
            found = error.step
        if found != vector["result"]:
            failures += 1
            print(f"{vector['name']}: {found}, expected {vector['result']}")
    print(f"{count} keyring vectors, {failures} failures")
    return 0 if count and failures == 0 else 1


def roots_of(arguments, tenant):
    if arguments.root_hex is not None:
        return {arguments.epoch: bytes.fromhex(arguments.root_hex)}
    if arguments.keyring is None or arguments.api_key_file is None:
        sys.exit("decode.py: give --root-hex, or --keyring and --api-key-file")
    with open(arguments.keyring, "rb") as file:
        keyring = parse_keyring(file.read())
    with open(arguments.api_key_file, encoding="utf-8") as file:
        secret = kdf_secret(file.read().rstrip("\r\n"))
    if keyring["tenant"] != tenant.hex():
        sys.exit("decode.py: the object is of another tenant than the keyring")
    for slot in key_slots(keyring):
        if slot["kdf"]["name"] == "hkdf-sha256" and len(secret) != 43:
            continue
        derived = opened_slot(keyring, slot, secret)
        if derived is not None:
            return open_roots(keyring, slot, derived)
    sys.exit("decode.py: the API key opens no slot of the keyring")


def command_object(arguments):
    with open(arguments.metadata, encoding="utf-8") as file:
        metadata = json.load(file)
    prefix = "x-amz-meta-"
    fields = {name.lower().removeprefix(prefix): value for name, value in metadata.items()}
    with open(arguments.body, "rb") as file:
        body = file.read()
    try:
        tenant = bytes.fromhex(fields.get("enc-tenant", ""))
        roots = roots_of(arguments, tenant)
        attributes, plaintext = open_object(roots, tenant, arguments.bucket, arguments.key, fields, body)
    except (FormatError, KeyringError) as error:
        sys.exit(f"decode.py: {error}")
    except (KeyError, TypeError, ValueError) as error:
        sys.exit(f"decode.py: malformed input: {error}")
    print(json.dumps(attributes, indent=2), file=sys.stderr)
    if arguments.out is None:
        sys.stdout.buffer.write(plaintext)
    else:
        with open(arguments.out, "wb") as file:
            file.write(plaintext)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Independent reader of Sealgate's object format.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("vectors", "keyrings"):
        commands.add_parser(name).add_argument("directory")
    one = commands.add_parser("object")
    for name in ("--body", "--metadata", "--bucket", "--key"):
        one.add_argument(name, required=True)
    one.add_argument("--epoch", type=int, default=1, help="epoch of --root-hex")
    for name in ("--root-hex", "--keyring", "--api-key-file", "--out"):
        one.add_argument(name)
    arguments = parser.parse_args()
    if arguments.command == "vectors":
        return command_vectors(arguments.directory)
    return command_keyrings(arguments.directory) if arguments.command == "keyrings" else command_object(arguments)


if __name__ == "__main__":
    sys.exit(main())
