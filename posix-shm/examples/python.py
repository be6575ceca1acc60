"""The Python half of python.rs: attaches to the image and draws on it."""

import struct
import sys
from multiprocessing import shared_memory


def attach(name):
    """Attaches to an object that belongs to another program."""
    name = name.removeprefix("/")  # Python adds the slash itself.
    if sys.version_info >= (3, 13):
        return shared_memory.SharedMemory(name, track=False)
    # Older versions remove the name when this process ends, unless they are told to forget it.
    from multiprocessing import resource_tracker

    memory = shared_memory.SharedMemory(name)
    resource_tracker.unregister(memory._name, "shared_memory")
    return memory


def main():
    memory = attach(sys.argv[1])
    width, height = struct.unpack_from("=II", memory.buf)
    try:
        import numpy
    except ImportError:
        for i in range(height):
            memory.buf[8 + i * width + i] = 255
    else:
        # The same memory as a two-dimensional array.
        image = numpy.ndarray((height, width), numpy.uint8, buffer=memory.buf, offset=8)
        image[range(height), range(height)] = 255
        del image  # or closing fails: the array still refers to the memory
    print(f"Python found {width} by {height} pixels and drew a diagonal", flush=True)
    memory.close()


main()
