"""A small NBD client over a unix socket, so that a test knows of each request what became of it.

Threads: one request at a time; open one client a thread. Errors: NbdError with the server's errno;
TimeoutError when no answer comes.
Source: the NBD protocol document, fixed newstyle handshake with NBD_OPT_GO, simple replies.
"""

import socket
import struct

PATIENCE_S = 60
FLAG_FUA = 1
READ, WRITE, DISCONNECT, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 2, 3, 4, 6

_OPTION_GO = 7
_REPLY_ACK, _REPLY_INFO = 1, 3


class NbdError(OSError):
    """What the server answered to a request or to the choice of an export."""


class NbdClient:
    def __init__(self, socket_path, export=""):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._cookie = 0
        self.size_bytes = 0
        try:
            self._socket.connect(str(socket_path))
            self._handshake(export.encode())
        except OSError:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self._socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, DISCONNECT, 0, 0, 0))
        except OSError:
            pass
        self._socket.close()

    def read(self, offset_bytes, length_bytes):
        return self._request(READ, offset_bytes, length_bytes)

    def write(self, offset_bytes, content, flags=0):
        self._request(WRITE, offset_bytes, len(content), content, flags)

    def write_zeroes(self, offset_bytes, length_bytes, flags=0):
        self._request(WRITE_ZEROES, offset_bytes, length_bytes, flags=flags)

    def trim(self, offset_bytes, length_bytes):
        self._request(TRIM, offset_bytes, length_bytes)

    def flush(self):
        self._request(FLUSH, 0, 0)

    def send_request(self, command, offset_bytes, length_bytes, content=b"", flags=0):
        """Without waiting for the answer; receive() takes answers in whatever order they come."""
        self._cookie += 1
        self._socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, self._cookie,
                                         offset_bytes, length_bytes) + content)
        return self._cookie

    def receive(self, lengths=None):
        """The next answer: its cookie, errno, and as many bytes as lengths says for the cookie."""
        magic, error, cookie = struct.unpack(">IIQ", self._take(16))
        assert magic == 0x67446698, hex(magic)
        length = (lengths or {}).get(cookie, 0)
        return cookie, error, self._take(length) if length and not error else b""

    def _request(self, command, offset_bytes, length_bytes, content=b"", flags=0):
        cookie = self.send_request(command, offset_bytes, length_bytes, content, flags)
        lengths = {cookie: length_bytes} if command == READ else {}
        answered, error, data = self.receive(lengths)
        assert answered == cookie
        if error:
            raise NbdError(error, f"request {command} of {length_bytes} at {offset_bytes}")
        return data

    def _handshake(self, export):
        assert self._take(16) == b"NBDMAGICIHAVEOPT"
        self._take(2)
        self._socket.sendall(struct.pack(">I", 3))  # fixed newstyle, no zeroes
        body = struct.pack(">I", len(export)) + export + struct.pack(">H", 0)
        self._socket.sendall(b"IHAVEOPT" + struct.pack(">II", _OPTION_GO, len(body)) + body)
        while True:
            _, _, kind, length = struct.unpack(">QIII", self._take(20))
            data = self._take(length)
            if kind == _REPLY_ACK:
                return
            if kind == _REPLY_INFO and struct.unpack(">H", data[:2])[0] == 0:
                self.size_bytes = struct.unpack(">Q", data[2:10])[0]
            elif kind & 0x80000000:
                self._socket.close()
                raise NbdError(kind & 0xffff, f"export {export.decode()}: {data.decode()}")

    def _take(self, length_bytes):
        data = bytearray()
        while len(data) < length_bytes:
            piece = self._socket.recv(length_bytes - len(data))
            if not piece:
                raise ConnectionError("the NBD server hung up")
            data += piece
        return bytes(data)
