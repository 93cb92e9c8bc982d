"""The reference's half of the conversation with compare.py, one line a message:

    worker                                         compare.py
    {"ready": true, "versions": {...}}       →
                                             ←     go
    {"milliseconds": 212.4}                  →            (one timed run for every `go`)
                                             ←     quit   (or the end of the input)
    {"peakMegabytes": 1650.2}                →

Before it is ready it writes what the case computes to the file of --check, as {"values": [...]},
and runs twice to warm up. Everything else goes to the standard error. Tandem's
worker adds "productMilliseconds" and "gflops" to its first message where a row has matrix products.
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


class Case:
    """Computes a check, and does one timed run with what is in memory."""

    ways = []  # several ways to do the same, of which the fastest counts

    def use(self, way):
        """Switches the way; only called where there is a choice."""
        raise NotImplementedError

    def check(self):
        """What both sides compute, as a list of numbers."""
        raise NotImplementedError

    def run(self):
        raise NotImplementedError


def parser(cases):
    parser = argparse.ArgumentParser(description="The reference's side of the comparison.")
    parser.add_argument("--case", choices=cases, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--work", type=Path, required=True, help="the folder prepare.py filled")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--check", type=Path, required=True, help="where to write the check")
    return parser


def milliseconds(run):
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def use_fastest(case):
    """Tries the ways of the case and uses the fastest. Returns it."""
    times = {}
    for way in case.ways:
        case.use(way)
        times[way] = min([milliseconds(case.run) for _ in range(1 + WARM_UPS)][1:])
    print("ways, ms:", times, file=sys.stderr, flush=True)
    best = min(times, key=times.get)
    # Trying the others does not count in the peak of the memory: what is free goes back to the
    # system, then the peak starts from what is left.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    case.use(best)
    return best


def peak_megabytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def answer(message):
    print(json.dumps(message), flush=True)


def write_check(case, path):
    path.write_text(json.dumps({"values": case.check()}))


def serve(case, versions):
    """Warms up, then runs whenever it is told to, until the end."""
    for _ in range(WARM_UPS):
        case.run()
    answer({"ready": True, "versions": {"python": platform.python_version(), **versions}})
    for line in sys.stdin:
        if line.strip() == "go":
            answer({"milliseconds": milliseconds(case.run)})
        elif line.strip() == "quit":
            break
    answer({"peakMegabytes": peak_megabytes()})
