"""Validates events of the trail against the published schema of an event.

The first line of standard input is the schema, every further one an event. The validator is
jsonschema-rs, with formats checked. Prints one JSON object; ends with 1 and the first few complaints
when an event does not hold.
"""

import json
import sys

import jsonschema_rs

COMPLAINTS_MAX = 10


def main():
    lines = iter(sys.stdin.buffer)
    validator = jsonschema_rs.Draft202012Validator(json.loads(next(lines)), validate_formats=True)
    count, complaints = 0, []
    for count, line in enumerate(lines, 1):
        for error in validator.iter_errors(json.loads(line)):
            complaints.append(f"event {count}: {list(error.instance_path)}: {error.message}"[:600])
        if len(complaints) >= COMPLAINTS_MAX:
            break
    if complaints:
        sys.exit("\n".join(complaints))
    print(json.dumps({"events": count}))


main()
