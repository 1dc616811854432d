"""Parses RFC 5424 messages, octet-counted on standard input, with a parser that others wrote.

Prints one JSON array: priority, time, message id, elements (values unescaped), text. Ends with 1
at the first message that does not parse.
"""

import json
import re
import sys

from syslog_rfc5424_parser.parser import parse


def unescaped(value):
    return re.sub(r'\\(["\\\]])', r"\1", value)


def main():
    data = sys.stdin.buffer.read()
    parsed = []
    while data:
        length, _, rest = data.partition(b" ")
        message, data = rest[: int(length)], rest[int(length) :]
        header, elements, text = parse(message.decode("utf-8"))
        if header.version != 1 or not text.startswith("\ufeff"):
            sys.exit(f"not UTF-8 text of RFC 5424: {message!r}")
        parsed.append(
            {
                "pri": header.pri,
                "time": header.timestamp,
                "app": header.appname,
                "id": header.msgid,
                "elements": {
                    element.sd_id: {name: unescaped(value) for name, value in element.sd_params}
                    for element in elements
                },
                "text": text[1:],
            }
        )
    print(json.dumps(parsed))


main()
