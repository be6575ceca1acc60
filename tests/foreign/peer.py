"""What Python programs do with objects: the tasks of peer.c, and some of Python's own."""

import mmap
import os
import socket
import struct
import sys
import zlib
from multiprocessing import resource_tracker, shared_memory

HAS_TRACK = sys.version_info >= (3, 13)


def memory(name, tracked=False, **options):
    """A SharedMemory that is removed when this process ends only if it is tracked."""
    name = name.removeprefix("/")
    if HAS_TRACK:
        return shared_memory.SharedMemory(name, track=tracked, **options)
    opened = shared_memory.SharedMemory(name, **options)
    if not tracked:
        resource_tracker.unregister(opened._name, "shared_memory")
    return opened


def create(name, size):
    made = memory(name, create=True, size=size)
    assert made.size == size, made.size
    ints = made.buf.cast("i")
    for i in range(size // 4):
        ints[i] = i * 7 + 1
    ints.release()
    made.close()


def modify(name, size):
    found = memory(name)
    assert found.size == size, found.size
    ints = found.buf.cast("i")
    for i in range(size // 4):
        ints[i] = ints[i] * 2 + i
    ints.release()
    found.close()


def verify(name, size):
    found = memory(name)
    assert found.size == size, found.size
    ints = found.buf.cast("i")
    assert all(ints[i] == (i * 7 + 1) * 2 + i for i in range(size // 4))
    ints.release()
    found.close()
    os.unlink("/dev/shm" + name)


def add_one(fd):
    """By the mmap module, which knows nothing of names."""
    with mmap.mmap(fd, 0) as mapped:
        with memoryview(mapped) as view, view.cast("i") as ints:
            for i in range(len(ints)):
                ints[i] += 1


def answer():
    with socket.socket(fileno=os.dup(0)) as peer:
        message, fds, _, _ = socket.recv_fds(peer, 64, 64)
        for fd in fds:
            add_one(fd)
        socket.send_fds(peer, [message], fds[::-1])


def attach(name, tracked):
    """Only looks at it, as a program with or without the tracker."""
    found = memory(name, tracked=tracked == "tracked")
    assert bytes(found.buf[:5]) == b"hello"
    found.close()


def numpy_adds(name, size):
    import numpy

    found = memory(name)
    ints = numpy.ndarray((size // 4,), numpy.int32, buffer=found.buf)
    assert (ints == numpy.arange(size // 4) * 3).all()
    ints += 1000
    del ints
    found.close()


def numpy_creates(name, size):
    import numpy

    made = memory(name, create=True, size=size)
    doubles = numpy.ndarray((size // 8,), numpy.float64, buffer=made.buf)
    doubles[:] = numpy.sqrt(numpy.arange(size // 8))
    del doubles
    made.close()


def png(path):
    """Writes the pixels of a PNG file to standard output: a line of width and height, then RGB."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
            assert depth == 8 and colour in (2, 6) and interlace == 0, (depth, colour)
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + size
    step = 3 if colour == 2 else 4
    raw, stride = zlib.decompress(packed), width * step
    above, rows = bytearray(stride), bytearray()
    for y in range(height):
        kind, *row = raw[y * (stride + 1) : (y + 1) * (stride + 1)]
        for i, value in enumerate(row):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            up = above[i]
            if kind == 1:
                value += left
            elif kind == 2:
                value += up
            elif kind == 3:
                value += (left + up) // 2
            elif kind == 4:
                guess = left + up - corner
                value += min((left, up, corner), key=lambda it: abs(guess - it))
            row[i] = value & 255
        above = row
        rows += bytes(value for i, value in enumerate(row) if i % step < 3)
    sys.stdout.buffer.write(b"%d %d\n" % (width, height) + rows)


def main():
    task, *arguments = sys.argv[1:]
    if task == "answer":
        answer()
    elif task == "inherit":
        add_one(int(arguments[0]))
    elif task == "attach":
        attach(*arguments)
    elif task == "png":
        png(*arguments)
    elif task == "has-numpy":
        import numpy  # noqa: F401
    else:
        known = [create, modify, verify, numpy_adds, numpy_creates]
        {each.__name__: each for each in known}[task](arguments[0], int(arguments[1]))


main()
