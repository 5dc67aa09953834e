"""Two POSTs a second by plain blocking sockets and nothing else: what the daemon's cost per telegram is held against.

Spoken by bench/daemon.py: ports as arguments, a body of the same size; runs until it is ended.
"""

import socket
import sys
import time

BODY = b"telegram=" + b"x" * 1300
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)

while True:
    for port in sys.argv[1:]:
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(HEAD + BODY)
            while connection.recv(65536):
                pass
    time.sleep(1)  # a telegram a second, as the daemon beside it
