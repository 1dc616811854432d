"""Parses RFC 5424 messages, octet-counted on standard input, with a parser that others wrote.

Prints one JSON array: priority, time as it stands, message id, elements, text. Ends with 1 at the
first message that does not parse.
"""

import json
import sys

from hat.syslog.encoder import msg_from_str


def main():
    data = sys.stdin.buffer.read()
    parsed = []
    while data:
        length, _, rest = data.partition(b" ")
        message, data = rest[: int(length)], rest[int(length) :]
        text = message.decode("utf-8")
        msg = msg_from_str(text)
        if msg.version != 1 or not msg.msg.startswith("\ufeff"):
            sys.exit(f"not UTF-8 text of RFC 5424: {message!r}")
        parsed.append(
            {
                "pri": msg.facility.value * 8 + msg.severity.value,
                "time": text.split(" ")[1],
                "app": msg.app_name,
                "id": msg.msgid,
                "elements": json.loads(msg.data) if isinstance(msg.data, str) else msg.data,
                "text": msg.msg[1:],
            }
        )
    print(json.dumps(parsed))


main()
