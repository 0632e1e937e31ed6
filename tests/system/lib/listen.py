#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""listen.py PORTFILE [TELLFILE]: services on the board's network (QEMU's 10.0.2.2 is this machine), until killed.

An echo service: its port goes to PORTFILE; says "connection", "ended" and "RESET" on standard output. With TELLFILE another
port, second in PORTFILE, whose connections' bytes are appended to that file.
"""
import os
import socketserver
import sys
import threading


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        print("connection", flush=True)
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
            print("ended", flush=True)
        except OSError as error:
            print("RESET", error, flush=True)


class Tell(socketserver.BaseRequestHandler):
    def handle(self):
        with open(sys.argv[2], "ab", buffering=0) as file:
            while data := self.request.recv(65536):
                file.write(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


servers = [Server(("127.0.0.1", 0), handler) for handler in (Echo, Tell)[: len(sys.argv) - 1]]
with open(sys.argv[1] + ".new", "w", encoding="ascii") as out:
    print(*(server.server_address[1] for server in servers), file=out)
os.rename(sys.argv[1] + ".new", sys.argv[1])
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
