"""Validates OCSF events, one JSON object a line on standard input.

The schema is the published one of the version that each event names, as the package
ocsf-json-schema carries it; the validator is jsonschema-rs. No network, nothing of this product.
Prints one JSON object; ends with 1 and the first few complaints when an event does not hold.
"""

import collections
import json
import sys

import jsonschema_rs
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

COMPLAINTS_MAX = 10

schemas = {}
validators = {}


def validator(event):
    version, profiles = event["metadata"]["version"], tuple(event["metadata"].get("profiles", []))
    key = (version, event["class_uid"], profiles)
    if key not in validators:
        if version not in schemas:
            schemas[version] = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
        schema = schemas[version]
        name = schema.lookup_class_name_from_uid(event["class_uid"])
        text = schema.get_class_schema(class_name=name, profiles=list(profiles))
        validators[key] = jsonschema_rs.Draft202012Validator(text)
    return validators[key]


def main():
    counts = collections.Counter()
    complaints = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        event = json.loads(line)
        counts[event["class_uid"]] += 1
        found = [f"{list(error.instance_path)}: {error.message}" for error in validator(event).iter_errors(event)]
        # What JSON Schema cannot say.
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            found.append("type_uid is not class_uid * 100 + activity_id")
        if event["category_uid"] != event["class_uid"] // 1000:
            found.append("category_uid is not that of the class")
        for key in ("origin", "index", "leaf_hash"):
            if key not in event["unmapped"]:
                found.append(f"`{key}` is lost")
        complaints += [f"event {number}: {one}"[:600] for one in found]
        if len(complaints) >= COMPLAINTS_MAX:
            break
    if complaints:
        sys.exit("\n".join(complaints))
    print(json.dumps({"events": sum(counts.values()), "classes": sorted(counts)}))


main()
