"""Queries an archive folder with DuckDB, where it lies, and checks it with the standard library.

Usage: archive_duckdb.py FOLDER CANARY. Knows nothing of the product but the column names of
docs/archive.md. Prints one JSON object; ends with 1 and a sentence when something does not hold.
"""

import base64
import hashlib
import json
import pathlib
import sys

import duckdb


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """RFC 6962: an odd last hash is carried up."""
    level = list(hashes)
    while len(level) > 1:
        pairs = [node(*level[n : n + 2]) for n in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def main(folder, canary):
    folder = pathlib.Path(folder)
    files = f"{folder}/*.parquet"
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")

    def ask(sql):
        return db.execute(sql.replace("ARCHIVE", f"read_parquet('{files}')")).fetchall()

    gaps = ask('SELECT max("index") + 1 - count(*), min("index"), count(DISTINCT "index") - count(*) FROM ARCHIVE')
    if gaps != [(0, 0, 0)]:
        sys.exit(f"the archive has a gap or a double: {gaps}")

    hashes = []
    for index, leaf, said in ask('SELECT "index", leaf, leaf_hash FROM ARCHIVE ORDER BY "index"'):
        hashes.append(hashlib.sha256(b"\0" + leaf).digest())
        if hashes[-1] != said:
            sys.exit(f"entry {index} has another leaf hash")

    # The open columns are what the leaf says.
    for leaf, event, app, action, outcome, data, time in ask(
        "SELECT leaf, event_id, app_id, action_type, outcome, data_classification,"
        " strftime(timestamp, '%Y-%m-%dT%H:%M:%S') FROM ARCHIVE"
    ):
        leaf = json.loads(leaf)
        found = (event, app, action, outcome, data, time)
        meant = tuple(
            leaf[key]
            for key in ("event_id", "app_id", "action_type", "outcome", "data_classification")
        ) + (leaf["timestamp"][:19],)
        if found != meant:
            sys.exit(f"columns {found} stand beside the leaf of {meant}")

    metadata = ask("SELECT 1") and db.execute(
        f"SELECT file_name, decode(key), decode(value) FROM parquet_kv_metadata('{files}')"
    ).fetchall()
    last = max(int(value) for _, key, value in metadata if key == "burgess.last")
    newest = next(name for name, key, value in metadata if key == "burgess.last" and int(value) == last)
    note = next(value for name, key, value in metadata if name == newest and key == "burgess.checkpoint")
    origin, size, root = note.split("\n")[:3]
    if ask("SELECT DISTINCT shard FROM ARCHIVE") != [(origin,)]:
        sys.exit("the shard column does not name the checkpoint's origin")

    # Leaves are compressed, so the rows are searched as well as the bytes.
    for row in ask("SELECT * EXCLUDE timestamp FROM ARCHIVE"):
        cells = [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]
        if any(canary.encode() in cell for cell in cells):
            sys.exit(f"a personal value stands in entry {row[1]}")
    for path in folder.iterdir():
        if canary.encode() in path.read_bytes():
            sys.exit(f"a personal value stands in {path.name}")

    print(
        json.dumps(
            {
                "files": len(list(folder.glob("*.parquet"))),
                "entries": len(hashes),
                "checkpoint_size": int(size),
                "root_recomputed": root_of(hashes) == base64.b64decode(root),
                "outcomes": dict(ask("SELECT outcome, count(*) FROM ARCHIVE GROUP BY ALL")),
                "apps": dict(ask("SELECT app_id, count(*) FROM ARCHIVE GROUP BY ALL")),
                "sealed": ask("SELECT count(*) FROM ARCHIVE WHERE octet_length(sealed) > 0")[0][0],
            }
        )
    )


main(*sys.argv[1:])
