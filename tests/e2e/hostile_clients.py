#!/usr/bin/env python3
"""Clients that mean harm, until they are killed. Says "ready" when it is at it.

usage: hostile_clients.py KIND ADDRESS [COUNT]
"""

import os
import resource
import socket
import struct
import sys

import raw_client
from raw_client import RawClient, frame

MAX_RANGES = 1024


def say_ready():
    print("ready", flush=True)


def connect_patiently(address):
    """Also while the listener's queue is full."""
    while True:
        one = socket.socket(socket.AF_UNIX)
        try:
            one.connect(address)
            return one
        except OSError:
            one.close()


def hold(address, count, greeting):
    """So many connections that say this and then nothing; those that are cut come again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    for _ in range(count):
        one = connect_patiently(address)
        one.sendall(greeting)
        held.append(one)
    say_ready()
    while True:
        for number, one in enumerate(held):
            try:
                if one.recv(4096, socket.MSG_DONTWAIT):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            one.close()
            held[number] = connect_patiently(address)
            held[number].sendall(greeting)


def half_open(address, count):
    hold(address, count, frame(raw_client.GET_STATUS)[:raw_client.HEADER_BYTES // 2])


def crowd(address, count):
    hold(address, count, b"")


def slow_readers(address, count):
    """Ask and never read: each until the server takes no more, or cuts it."""
    ask = frame(raw_client.LIST_SNAPSHOTS, bytes(8)) * 100
    asking = [connect_patiently(address) for _ in range(count)]
    say_ready()
    while True:
        for number, one in enumerate(asking):
            try:
                one.send(ask, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                one.close()
                asking[number] = connect_patiently(address)


def flood(address, count):
    """Ask as fast as answers come, hundreds at once."""
    asking = [RawClient(address) for _ in range(count)]
    say_ready()
    while True:
        for one in asking:
            one.send(frame(raw_client.GET_STATUS) * 300)
        for one in asking:
            for _ in range(300):
                one.receive()


def oversize(address, _):
    """The longest messages there may be, longer ones, and noise."""
    say_ready()
    longest = frame(99, bytes(raw_client.MAX_BODY_BYTES))
    too_long = struct.pack("<IHHIIQ", raw_client.MAGIC, 1, 36, 0xffffffff, 0, 1) + bytes(1 << 16)
    while True:
        for data in (longest, too_long, os.urandom(1 << 16)):
            one = connect_patiently(address)
            try:
                one.sendall(data)
                one.recv(4096)
            except OSError:
                pass
            one.close()


def come_and_go(address, _):
    say_ready()
    while True:
        connect_patiently(address).close()


def questions(address, count):
    """Attached targets that ask for a whole volume, again and again, and read the answers."""
    targets = attach(address, count)
    ask = frame(raw_client.LOCATE, raw_client.ranges([(0, 2048)]))
    say_ready()
    while True:
        for one in targets:
            one.send(ask)
        for one in targets:
            is_last = 0
            while not is_last:
                kind, body = one.receive()
                is_last = kind != raw_client.LOCATED or struct.unpack_from("<II", body)[1]


def deaf_targets(address, count):
    """The same, and never read."""
    targets = attach(address, count)
    ask = frame(raw_client.LOCATE, raw_client.ranges([(n, 1) for n in range(MAX_RANGES)]))
    say_ready()
    while True:
        for number, one in enumerate(targets):
            try:
                one.socket.send(ask, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                one.close()
                targets[number] = attach(address, 1)[0]


def attach(address, count):
    targets = []
    for number in range(count):
        one = RawClient(address)
        one.send(raw_client.snapshot_hello("first", f"hostile-{os.getpid()}-{number}"))
        kind, body = one.receive()
        if kind != raw_client.HELLO_OK:
            raise ConnectionError(body)
        targets.append(one)
    return targets


KINDS = {act.__name__: act for act in (half_open, crowd, slow_readers, flood, oversize, come_and_go,
                                       questions, deaf_targets)}

if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
