"""Checks the signatures on a checkpoint with code of its own, from the text of C2SP tlog-cosignature.

usage: cosignature_verify.py NOTE VKEY...   (package `cryptography` 47 or later)
Every key must have signed; prints one line `TIME NAME TYPE` each.
"""
import base64, hashlib, struct, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey


def opaque(text):
    data = text.encode()
    assert 1 <= len(data) <= 255
    return bytes([len(data)]) + data


def check(note, vkey):
    name, key_id, blob = vkey.split("+", 2)
    blob = base64.b64decode(blob, validate=True)
    kind, public = blob[0], blob[1:]
    assert hashlib.sha256(name.encode() + b"\n" + blob).digest()[:4].hex() == key_id, "key id"
    cut = note.rindex("\n\n") + 1
    text, lines = note[:cut], note[cut + 1:].splitlines()
    origin, size, root = text.split("\n")[:3]
    for line in lines:
        dash, who, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if who != name or signature[:4].hex() != key_id:
            continue
        signature = signature[4:]
        if kind == 1:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
            return "0 %s %d" % (name, kind)
        time, signature = struct.unpack(">Q", signature[:8])[0], signature[8:]
        if kind == 4:
            message = "cosignature/v1\ntime %d\n%s" % (time, text)
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message.encode())
        elif kind == 6:
            message = b"subtree/v1\n\0" + opaque(name) + struct.pack(">Q", time) + opaque(origin)
            message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root, validate=True)
            MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
        else:
            raise AssertionError("unknown kind")
        return "%d %s %d" % (time, name, kind)
    raise AssertionError("not signed by " + name)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        note = file.read()
    for vkey in sys.argv[2:]:
        print(check(note, vkey))
