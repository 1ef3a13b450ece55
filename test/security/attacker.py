#!/usr/bin/env python3
"""Somebody who holds some of what there is, and tries everything with it: MANIFEST.json in, one JSON object out.

Works from crypto/FORMAT.md, through the independent reader (test/vectors/decode.py), and shares no code with the program.
It is not told what a thing is for: every secret, and every token that looks like one in any file, is tried in every place
where the format takes a secret: as seal key, API key, slot secret, root key, data key and escrow private key, plain and
through every label of the format. What it opens gives further secrets, until nothing new comes.

Manifest: {"rows": [{"name", "objects": [{"id", "bucket", "key", "metadata": {}, "body": PATH}], "records": {NAME: [PATH, ...]},
"files": [PATH, ...], "texts": [TEXT, ...]}]}. `texts` is what the holder knows besides files: keys of any kind, as text.
Result: {NAME: {"opened": {ID: SHA-256 of the plaintext}, "tried": number of openings attempted}}.
"""

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
import decode  # noqa: E402

LABELS = (
    "akid commit dek-wrap escrow keyring-mac keyring-operator part part-table registered-check registered-id role-arn "
    "role-record root-wrap session session-day session-secret slot-commit slot-secret slot-secret-kms upload-receipt upload-record attrs"
).split()
FAILURES = (decode.FormatError, decode.KeyringError, KeyError, TypeError, ValueError, IndexError)


def decoded(text):
    """Every 32-byte value that a token may stand for."""
    found = []
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        found.append(bytes.fromhex(text))
    for altchars in (b"+/", b"-_"):
        try:
            found.append(base64.b64decode(text + "=" * (-len(text) % 4), altchars=altchars, validate=True))
        except ValueError:
            continue
    return {value for value in found if len(value) == 32}


@functools.cache
def tokens_of(text):
    """What in a text may be an access key id, the name of a seal key, or a secret of 32 bytes."""
    ids = set(re.findall(r"SG1[A-Za-z0-9_-]{63,124}|SGRK[A-Z2-7]{16}", text))
    ids |= set(re.findall(r"SGS1[A-Za-z0-9_-]{143,}|arn:aws:iam::000000000000:role/[\w.-]+/SGR1[A-Za-z0-9_-]{103}", text))
    kids = set(re.findall(r"\b([a-z0-9-]{1,16}):[A-Za-z0-9+/]{43}=", text))
    kids |= set(re.findall(r'"(?:operatorKid|idKid)":"([a-z0-9-]{1,16})"', text))
    words = re.findall(r"[A-Za-z0-9+/_-]{43,64}=?", text)
    return ids, kids, {word for word in words if len(word.rstrip("=")) == 43 or re.fullmatch(r"[0-9a-f]{64}", word)}


@functools.cache
def read(path):
    with open(path, "rb") as file:
        return file.read()


def derive(secret, salt, label, *fields):
    """The reader's, one block of HKDF by hand: some hundred thousand are needed."""
    info = decode.lp(label.encode()) + hashlib.sha256(decode.frame(*fields)).digest()
    return hmac.digest(hmac.digest(salt or bytes(32), secret, "sha256"), info + b"\x01", "sha256")


decode.derive = derive


class Attacker:
    def __init__(self, row):
        self.objects = row["objects"]
        self.opened, self.tried, self.done = {}, 0, set()
        self.headers = [{"bytes": read(one["body"]), **one} for one in self.objects]
        self.copies = [(name, read(path)) for name, paths in row["records"].items() for path in paths]
        self.keyrings = [keyring for _, data in self.copies if (keyring := self.keyring(data)) is not None]
        self.tenants = {bytes.fromhex(keyring["tenant"]) for keyring in self.keyrings}
        self.tenants |= {bytes.fromhex(one["metadata"]["enc-tenant"]) for one in self.objects}
        everything = row["texts"] + [read(path).decode("latin-1") for path in row["files"]]
        everything += [name + "\n" + data.decode("latin-1") for name, data in self.copies]
        everything += [json.dumps(one["metadata"]) for one in self.objects]
        self.ids, self.kids, self.secrets, self.api_keys, self.callers = set(), {"", "s"}, set(), set(), set()
        for text in everything:
            self.look(text)
        for text in row["texts"]:
            self.api_keys.add(decode.kdf_secret(text))
            self.derive_from(text)

    @staticmethod
    def keyring(data):
        try:
            return decode.parse_keyring(data)
        except FAILURES:
            return None

    def look(self, text):
        ids, kids, tokens = tokens_of(text)
        self.ids |= ids
        self.kids |= kids
        for token in tokens:
            self.secrets |= decoded(token)
            if len(token) == 43:
                self.api_keys.add(token.encode())

    def derive_from(self, text):
        """What the labels of the format make of a secret that is known, under every name and salt at hand."""
        salts = {b""} | {decode.decode64(slot["salt"], 32) for one in self.keyrings for slot in decode.key_slots(one)}
        known = {value for part in text.split(":") for value in decoded(part)} | {text.encode()}
        for secret in known:
            self.secrets.add(hashlib.sha256(secret).digest())
            for label in LABELS:
                for salt in salts if label.startswith("slot-") else (b"",):
                    for fields in [()] + [(tenant,) for tenant in self.tenants]:
                        self.secrets.add(decode.derive(secret, salt, f"sealgate/1/{label}", *fields))

    def run(self):
        done = None
        while done != (len(self.secrets), len(self.api_keys), len(self.opened)):
            done = (len(self.secrets), len(self.api_keys), len(self.opened))
            self.unseal()
            roots = self.open_keyrings()
            for tenant, epoch, root in roots:
                self.open_with_roots(tenant, {epoch: root})
            self.open_directly()
        return {"opened": self.opened, "tried": self.tried}

    def unseal(self):
        """Every access key id and every record of one, under every secret as a seal key."""
        records = {name.rsplit("/", 1)[-1]: data for name, data in self.copies}
        for seal_key in self.untried("seal", self, self, self.secrets):
            for kid in self.kids:
                for name, data in self.copies:
                    if name.startswith("roles/"):
                        self.managed_role(seal_key, kid, name[len("roles/") :], data)
                for text in self.ids:
                    self.tried += 1
                    try:
                        if text.startswith("SGS1"):
                            self.session(seal_key, kid, text)
                        elif text.startswith("arn:"):
                            self.secrets.add(decode.open_role_arn({kid: seal_key}, text)[2])
                        elif text in records:
                            self.api_keys.add(self.registered(seal_key, kid, text, records[text]))
                        else:
                            self.api_keys.add(decode.unseal_access_key_id({kid: seal_key}, text)[2])
                    except FAILURES:
                        continue

    def session(self, seal_key, kid, token):
        """With every copy of every record of a day."""
        for name, data in self.copies:
            if name.startswith("sessions/"):
                try:
                    caller = decode.open_session({kid: seal_key}, {name: data}, token)["callerSecret"]
                    self.secrets.add(caller)
                    self.callers.add(caller)
                except FAILURES:
                    continue

    def managed_role(self, seal_key, kid, name, data):
        self.tried += 1
        key = decode.derive(seal_key, b"", "sealgate/1/role-record")
        aad = decode.frame(b"sealgate-role/1", kid.encode(), name.encode())
        try:
            self.secrets.add(decode.gcm_open(key, data[1:13], data[13:], aad, "role")[16:])
        except FAILURES:
            return

    @staticmethod
    def registered(seal_key, kid, text, data):
        key = decode.derive(seal_key, b"", "sealgate/1/registered-id")
        aad = decode.frame(b"sealgate-registered/1", kid.encode(), text.encode())
        plain = decode.gcm_open(key, data[1:13], data[13:], aad, "registered")
        secret = plain[17:]
        return base64.urlsafe_b64encode(secret).rstrip(b"=") if plain[16:17] == b"\x01" else secret

    def open_keyrings(self):
        """Root keys out of every slot of every copy: by API key, by slot secret; and out of every escrow."""
        found = []
        for keyring in self.keyrings:
            tenant = bytes.fromhex(keyring["tenant"])
            for slot in keyring["slots"]:
                if "kms" in slot:
                    found += [(tenant, epoch, root) for epoch, root in self.with_kms(keyring, slot)]
            for slot in decode.key_slots(keyring):
                derived = [one for key in self.untried("slot", keyring, slot, self.api_keys) if (one := self.slot(keyring, slot, key))]
                for secret in derived + self.untried("roots", keyring, slot, self.secrets):
                    found += [(tenant, epoch, root) for epoch, root in self.attempt(decode.open_roots, keyring, slot, secret)]
            for slot in keyring["slots"]:
                for secret in self.untried("roots", keyring, slot, self.secrets) if slot["type"] == "role" else ():
                    found += [(tenant, epoch, root) for epoch, root in self.attempt(decode.open_roots, keyring, slot, secret)]
            if any(slot["type"] == "escrow" for slot in keyring["slots"]):
                for secret in self.untried("escrow", keyring, keyring, self.secrets):
                    found += [(tenant, epoch, root) for epoch, root in self.attempt(decode.open_escrow, keyring, secret)]
        return found

    def with_kms(self, keyring, slot):
        """Every secret as what the KMS gives out, with every API key's half and every half that a token carried."""
        tenant, found = bytes.fromhex(keyring["tenant"]), []
        if slot["type"] == "kms":
            halves = {}
        else:
            halves = {self.attempted(decode.slot_secret, tenant, slot, key) for key in self.api_keys} | self.callers
        for added in self.untried(("kms", len(halves)), keyring, slot, self.secrets):
            for secret in [decode.with_kms(tenant, slot, half, added) for half in halves if half] or [added]:
                self.tried += 1
                # The commitment tells before anything is unwrapped.
                salt, names = decode.decode64(slot["salt"], 32), (tenant, bytes.fromhex(slot["id"]))
                if decode.derive(secret, salt, "sealgate/1/slot-commit", *names) == decode.decode64(slot["commitment"], 32):
                    found += self.attempt(decode.open_roots, keyring, slot, secret)
        return found

    def attempted(self, function, *arguments):
        try:
            return function(*arguments)
        except FAILURES:
            return None

    def untried(self, place, holder, part, secrets):
        """What was not tried in this place before."""
        fresh = [one for one in secrets if (place, id(holder), id(part), one) not in self.done]
        self.done.update((place, id(holder), id(part), one) for one in fresh)
        return fresh

    def slot(self, keyring, slot, key):
        self.tried += 1
        try:
            return decode.opened_slot(keyring, slot, key)
        except FAILURES:
            return None

    def attempt(self, function, *arguments):
        self.tried += 1
        try:
            return function(*arguments).items()
        except FAILURES:
            return ()

    def open_with_roots(self, tenant, roots):
        for one in self.headers:
            self.tried += 1
            try:
                name = (roots, tenant, one["bucket"], one["key"], one["metadata"])
                dek = decode.open_header(*name)["dek"]
                plaintext = decode.open_object(*name, one["bytes"])[1]
            except FAILURES:
                continue
            self.opened[one["id"]] = hashlib.sha256(plaintext).hexdigest()
            # A data key outlives the header that it came from.
            self.secrets.add(dek)

    def open_directly(self):
        """Every secret as the root key of any epoch, and as a data key."""
        for one in self.headers:
            if one["id"] in self.opened:
                continue
            field = decode.base64url(one["metadata"]["enc-dek"], "header")
            epoch, commitment = decode.integer(field[2:6]), field[102:134]
            for secret in self.untried("object", one, one, self.secrets):
                self.open_with_roots_of(one, epoch, secret)
                if decode.derive(secret, b"", "sealgate/1/commit") == commitment:
                    self.open_with_dek(one, secret)

    def open_with_roots_of(self, one, epoch, secret):
        self.tried += 1
        try:
            tenant = bytes.fromhex(one["metadata"]["enc-tenant"])
            name = ({epoch: secret}, tenant, one["bucket"], one["key"], one["metadata"])
            plaintext = decode.open_object(*name, one["bytes"])[1]
        except FAILURES:
            return
        self.opened[one["id"]] = hashlib.sha256(plaintext).hexdigest()

    def open_with_dek(self, one, dek):
        """The reader, with the step that unwraps the data key left out."""
        unwrap = decode.open_once
        decode.open_once = lambda key, sealed, aad, code: dek if len(sealed) == 48 else unwrap(key, sealed, aad, code)
        try:
            epoch = decode.integer(decode.base64url(one["metadata"]["enc-dek"], "header")[2:6])
            self.open_with_roots_of(one, epoch, bytes(32))
        finally:
            decode.open_once = unwrap


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        manifest = json.load(file)
    print(json.dumps({row["name"]: Attacker(row).run() for row in manifest["rows"]}))


if __name__ == "__main__":
    main()
