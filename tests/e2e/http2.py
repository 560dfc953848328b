"""HTTP/2 by hand, for what no client library would send."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ENHANCE_YOUR_CALM = 11


def frame(kind, flags, number, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + number.to_bytes(4, "big")
            + payload)


def request(number, path, body=None):
    """A call; without a body its stream stays open."""
    block = (b"\x83\x86\x01\x01h\x04" + bytes([len(path)]) + path.encode()
             + b"\x0f\x10\x10application/grpc")
    head = frame(HEADERS, 4, number, block)
    return head if body is None else head + frame(DATA, 1, number,
                                                  b"\0" + len(body).to_bytes(4, "big") + body)


def frames_of(data):
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        yield data[3], data[9:9 + size]
        data = data[9 + size:]
