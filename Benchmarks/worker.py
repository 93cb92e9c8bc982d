"""The reference's half of the conversation with compare.py, one line a message:

    worker                                         compare.py
    {"ready": true, "versions": {...}}       →
                                             ←     go
    {"milliseconds": 212.4}                  →            (one timed run for every `go`)
                                             ←     quit   (or the end of the input)
    {"peakMegabytes": 1650.2}                →

Before it is ready it writes what the case computes to the file of --check, as {"values": [...]},
and runs twice to warm up. Everything else goes to the standard error. Tandem's
worker adds "productMilliseconds" and "gflops" to its first message where a row has matrix products,
and to every run "pageFaults", the pages of memory that the system had to give it meanwhile.

A run on a GPU has ended when the GPU has. There the last message has two more fields, the most
memory of the GPU that tensors took, and that the allocator kept for them, in the same units:

    {"peakMegabytes": 1650.2, "peakDeviceMegabytes": 912.0, "peakDeviceReservedMegabytes": 1044.0}

A worker that cannot be measured, and knows why, says {"unavailable": "reason"} instead of its first
message, and ends.
"""

import argparse
import ctypes
import json
import platform
import re
import sys
import time
from pathlib import Path

WARM_UPS = 2
MOST_WARM_UPS = 30  # where runs go on compiling


class Case:
    """Computes a check, and does one timed run with what is in memory."""

    ways = []  # several ways to do the same, of which the fastest counts
    compilations = 0  # how many pieces were compiled so far, where runs compile

    def use(self, way):
        """Switches the way; only called where there is a choice."""
        raise NotImplementedError

    def check(self):
        """What both sides compute, as a list of numbers."""
        raise NotImplementedError

    def run(self):
        raise NotImplementedError

    def finish(self):
        """Waits for what `run` began; a GPU works on by itself."""

    def forget_peak(self):
        """What is free goes back to the system, then the peak starts from what is left."""
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")

    def device_peaks(self):
        """What the last message says about the memory of a GPU."""
        return {}


def parser(cases):
    parser = argparse.ArgumentParser(description="The reference's side of the comparison.")
    parser.add_argument("--case", choices=cases, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--work", type=Path, required=True, help="the folder prepare.py filled")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--check", type=Path, required=True, help="where to write the check")
    return parser


def milliseconds(case):
    start = time.perf_counter()
    case.run()
    case.finish()
    return 1000 * (time.perf_counter() - start)


def warm_up(case, runs=WARM_UPS):
    """Runs until that many runs in turn compiled nothing."""
    calm = 0
    for _ in range(MOST_WARM_UPS):
        before = case.compilations
        case.run()
        case.finish()
        calm = calm + 1 if case.compilations == before else 0
        if calm == runs:
            break


def use_fastest(case):
    """Tries the ways of the case and uses the fastest. Returns it."""
    times = {}
    for way in case.ways:
        case.use(way)
        warm_up(case, 1)
        times[way] = min(milliseconds(case) for _ in range(WARM_UPS))
    print("ways, ms:", times, file=sys.stderr, flush=True)
    best = min(times, key=times.get)
    case.forget_peak()  # trying the others does not count
    case.use(best)
    return best


def peak_megabytes():
    """Of resident memory; 0 on a system that does not count it."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else 0


def answer(message):
    print(json.dumps(message), flush=True)


def write_check(case, path):
    path.write_text(json.dumps({"values": case.check()}))


def serve(case, versions):
    """Warms up, then runs whenever it is told to, until the end."""
    warm_up(case)
    answer({"ready": True, "versions": {"python": platform.python_version(), **versions}})
    for line in sys.stdin:
        if line.strip() == "go":
            answer({"milliseconds": milliseconds(case)})
        elif line.strip() == "quit":
            break
    answer({"peakMegabytes": peak_megabytes(), **case.device_peaks()})
