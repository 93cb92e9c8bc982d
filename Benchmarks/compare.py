"""Times Tandem and the reference in turn on the same weights and inputs, and compares what they
compute. scripts/bench runs it.

For each row of the table both workers start as fresh processes, write what they compute, and warm
up; then they take turns, one run at a time, so that whatever else the machine does falls on both.
The table goes to the standard output and to RESULTS.md, progress to the standard error. The exit
status is 1 if a worker died or the two computed different things. The protocol of the workers
stands in worker.py.
"""

import argparse
import datetime
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from prepare import FULL, TINY, missing_data, prepare, work_folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "RESULTS.md"

PRECISIONS = ["float32", "bfloat16"]
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # of what the two compute; pieces must be equal
LEAST_SCALE = 0.02  # losses nearer 0 than this are compared as if they were this large

# OpenMP's threads spin at their barriers. Where another process has a core, the default makes a run
# several times slower, so both workers spin as little as Tandem does by itself.
WAITING = {"GOMP_SPINCOUNT": "2000"}
PAUSE = 0.05  # seconds between two turns, until the threads of the one before are asleep

START_RUNS = 4  # of a worker's check and warm-up, to estimate the time left


@dataclass(frozen=True)
class Case:
    title: str  # {} stands for the batch
    ratios: dict  # what Tandem aims at, by precision: the reference's time over its own
    shares: dict  # and the part of its time that its own matrix products take at the best rate
    seconds: float  # a guess at one run of one example, to estimate the time left
    start: float = 6  # a guess at the seconds until a worker has loaded
    # On one thread, and measured once: no precision makes a difference, but the workers are told
    # float32.
    is_loading: bool = False

    def precisions(self, wanted):
        return ["float32"] if self.is_loading else wanted

    @property
    def script(self):
        return HERE / ("loading.py" if self.is_loading else "reference.py")


CASES = {
    "inference": Case("inference, batch {}", {"float32": 2.3, "bfloat16": 1.4}, {}, 0.1),
    "mlm": Case(
        "training step, MLM, batch {}",
        {"float32": 2.3, "bfloat16": 1.7},
        {"float32": 0.85, "bfloat16": 0.75},
        0.4,
    ),
    "pretrain": Case(
        "pre-training step, MLM + ITM + WPA, batch {}",
        {"float32": 2.3, "bfloat16": 1.8},
        {"float32": 0.85, "bfloat16": 0.75},
        0.8,
    ),
    "layers": Case("12 BERT layers, forward and backward, batch {}", {}, {}, 0.1),
    "decode": Case(
        "decode and resize {} pictures, one core", {"float32": 2.0}, {}, 0.006, 0.5, is_loading=True
    ),
    "wordpiece": Case("WordPiece, one core", {"float32": 1.0}, {}, 1.0, 0.5, is_loading=True),
}


class Failure(Exception):
    """What went wrong in a row; the other rows still count."""


class Worker:
    """A worker process and the conversation with it."""

    def __init__(self, name, command, arguments, check):
        self.name = name
        self.check = check
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command, *arguments, "--check", str(check)],
            cwd=ROOT,
            env={**WAITING, **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.ready = {}

    def wait(self):
        """Until the worker is ready."""
        self.ready = self.listen("ready")

    def listen(self, field):
        """The worker's next message, which must have the field."""
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            raise Failure(f"{self.name} ended with status {status}:\n{self.errors.read().strip()}")
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            raise Failure(f"{self.name} said {line!r}, which is no JSON") from None
        if field not in message:
            raise Failure(f"{self.name} said {line!r}, expected {field!r}")
        return message

    def say(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # listen says why

    def run(self):
        """Milliseconds of one run."""
        time.sleep(PAUSE)
        self.say("go")
        return self.listen("milliseconds")["milliseconds"]

    def quit(self):
        """Megabytes of memory at the peak."""
        self.say("quit")
        peak = self.listen("peakMegabytes")["peakMegabytes"]
        if self.process.wait() != 0:
            self.listen("an end with status 0")
        return peak

    def values(self):
        return json.loads(self.check.read_text())["values"]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


class Progress:
    """Says on the standard error what is running and how much time is left. It guesses from the
    part that is done of all the seconds that were expected."""

    def __init__(self, expected):
        self.start, self.done, self.expected = time.monotonic(), 0, expected

    def say(self, text):
        elapsed = time.monotonic() - self.start
        if self.done:
            left = elapsed * (self.expected - self.done) / self.done
            text += f" · about {duration(left)} left"
        print(f"bench: {text}", file=sys.stderr, flush=True)


def expected_start(case, batch):
    return CASES[case].start + START_RUNS * CASES[case].seconds * batch


def expected_pair(case, batch):
    return 2 * CASES[case].seconds * batch


def expected_row(case, batch, repeats):
    return 2 * expected_start(case, batch) + repeats * expected_pair(case, batch)


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def row_title(case, batch, precision):
    title = CASES[case].title.format(batch)
    return title if CASES[case].is_loading else f"{title}, {precision}"


def tolerance(case, precision):
    return 0 if case == "wordpiece" else TOLERANCE[precision]


def difference(case, ours, theirs):
    """The largest difference relative to the largest value; losses and counts of pieces, which mean
    different things, each relative to itself."""
    if len(ours) != len(theirs):
        raise Failure(f"the checks have {len(ours)} and {len(theirs)} values")
    if not all(map(math.isfinite, ours + theirs)):
        raise Failure("a check holds a value that is not finite")
    if case in ("mlm", "pretrain", "wordpiece"):
        scales = [max(abs(value), LEAST_SCALE) for value in theirs]
    else:
        scales = [max(map(abs, theirs))] * len(theirs)
    return max(abs(a - b) / scale for a, b, scale in zip(ours, theirs, scales))


@dataclass
class Row:
    """One measured row."""

    case: str
    batch: int
    precision: str
    ours: list
    theirs: list
    our_peak: float
    their_peak: float
    difference: float
    our_ready: dict
    their_ready: dict

    def agrees(self):
        return self.difference <= tolerance(self.case, self.precision)

    def cells(self):
        case = CASES[self.case]
        ratio = median(b / a for a, b in zip(self.ours, self.theirs))
        products = self.our_ready.get("productMilliseconds")
        share = "—" if products is None else f"{100 * products / median(self.ours):.0f} %"
        return [
            case.title.format(self.batch),
            "—" if case.is_loading else self.precision,
            times(self.theirs),
            times(self.ours),
            f"{ratio:.2f}×",
            target(case.ratios.get(self.precision), "{:.1f}×"),
            share,
            target(case.shares.get(self.precision), "{:.0%}").replace("%", " %"),
            f"{self.their_peak:.0f}",
            f"{self.our_peak:.0f}",
            f"{self.difference:.1e}" + ("" if self.agrees() else " **differs**"),
        ]


HEADINGS = [
    "row",
    "precision",
    "reference, ms",
    "Tandem, ms",
    "ratio",
    "aim",
    "share",
    "aim",
    "reference, MB",
    "Tandem, MB",
    "difference",
]


def times(milliseconds):
    def text(value):
        return f"{value:.0f}" if value >= 100 else f"{value:.1f}"

    least, most = min(milliseconds), max(milliseconds)
    return f"{text(median(milliseconds))} ({text(least)}–{text(most)})"


def target(value, form):
    return "" if value is None else "≥ " + form.format(value)


def table(rows):
    """A Markdown table whose columns line up."""
    lines = [HEADINGS, *[row.cells() for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]

    def padded(cells):
        # The first two columns are words, the others numbers.
        words, numbers = zip(cells[:2], widths[:2]), zip(cells[2:], widths[2:])
        aligned = [cell.ljust(w) for cell, w in words] + [cell.rjust(w) for cell, w in numbers]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * w if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([padded(HEADINGS), padded(rule), *[padded(line) for line in lines[1:]]])


def processor():
    """Name, family and model of the processor, and the fast bfloat16 instructions it has."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    details = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    details += [flag for flag in fields.get("flags", "").split() if flag.endswith("_bf16")]
    return f"{fields.get('model name', 'processor without a name')} ({', '.join(details)})"


def versions(rows, ready):
    """Name and version of everything a worker named, in any row."""
    found = {}
    for row in rows:
        for name, version in ready(row).get("versions", {}).items():
            found.setdefault(name, []).append(str(version))
    return ", ".join(f"{name} {' or '.join(sorted(set(seen)))}" for name, seen in found.items())


def report(rows, options):
    """The section that goes to the standard output and to RESULTS.md."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    rates = {}
    for row in rows:
        if "gflops" in row.our_ready and not CASES[row.case].is_loading:
            rates.setdefault(row.precision, []).append(row.our_ready["gflops"])
    notes = [
        f"- {options.threads} of {os.cpu_count()} cores; runs of each side: {options.repeats}",
        f"- reference: {versions(rows, lambda row: row.their_ready)}",
        f"- Tandem: {versions(rows, lambda row: row.our_ready) or 'no versions given'}",
    ]
    if rates:
        text = ", ".join(f"{median(rate):.0f} GFLOP/s {name}" for name, rate in rates.items())
        notes.append(f"- one large matrix product: {text}")
    return "\n".join([f"## {date}, {processor()}", "", *notes, "", table(rows), ""])


def measure(case, batch, precision, options, folder, progress):
    """One row: fresh workers, the check, and the runs in turn."""
    threads = 1 if CASES[case].is_loading else options.threads
    arguments = ["--case", case, "--batch", str(batch), "--precision", precision]
    arguments += ["--work", str(options.work), "--threads", str(threads)]
    reference = [sys.executable, str(CASES[case].script)]
    title = row_title(case, batch, precision)
    workers = []
    try:
        # One after the other: each measures what it chooses from while it warms up.
        for name, command in [("reference", reference), ("tandem", options.command)]:
            progress.say(f"{title}: {name} warms up")
            workers.append(Worker(name, command, arguments, folder / f"{name}.json"))
            workers[-1].wait()
            progress.done += expected_start(case, batch)
        theirs, ours = workers
        distance = difference(case, ours.values(), theirs.values())
        pairs = []
        for turn in range(options.repeats):
            progress.say(f"{title}: {turn + 1} of {options.repeats}")
            pairs.append((theirs.run(), ours.run()))
            progress.done += expected_pair(case, batch)
        return Row(
            case=case,
            batch=batch,
            precision=precision,
            ours=[our_time for _, our_time in pairs],
            theirs=[their_time for their_time, _ in pairs],
            our_peak=ours.quit(),
            their_peak=theirs.quit(),
            difference=distance,
            our_ready=ours.ready,
            their_ready=theirs.ready,
        )
    finally:
        for worker in workers:
            worker.end()


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Times Tandem and the reference libraries in turn."
    )
    parser.add_argument("--only", choices=CASES, action="append", metavar="CASE",
                        help=f"one case ({', '.join(CASES)}); may be given more than once")
    parser.add_argument("--precision", choices=PRECISIONS, action="append",
                        help="one precision instead of both; loading has none")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each side (7)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="all cores by default")
    parser.add_argument("--tandem", type=Path, default=ROOT / ".build/release/tandem",
                        help="the command to measure (.build/release/tandem)")
    parser.add_argument("--tandem-command", type=shlex.split, dest="command", metavar="COMMAND",
                        help="another worker instead of `tandem bench worker`")
    parser.add_argument("--tiny", action="store_true",
                        help="small models, to test the machinery; not recorded")
    parser.add_argument("--no-record", action="store_true", help="leave RESULTS.md alone")
    options = parser.parse_args()
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads are at least 1")
    if options.command is None:
        if not options.tandem.exists():
            parser.error(f"there is no {options.tandem}; run `make build` first")
        options.command = [str(options.tandem.resolve()), "bench", "worker"]
    options.work = work_folder(options.tiny)
    return options


def main():
    options = parse()
    prepare(options.work, options.tiny)
    batches = (TINY if options.tiny else FULL).batches
    cases = list(options.only or CASES)
    missing = missing_data(options.work)
    if "wordpiece" in cases and missing:
        cases.remove("wordpiece")
        print(
            f"bench: skipping wordpiece: its text is missing; run `tandem data fetch "
            f"{' '.join(missing)}` in {ROOT}",
            file=sys.stderr,
        )
    wanted = [
        (case, batch, precision)
        for case in cases
        for batch in batches[case]
        for precision in CASES[case].precisions(options.precision or PRECISIONS)
    ]
    progress = Progress(
        sum(expected_row(case, batch, options.repeats) for case, batch, _ in wanted)
    )
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        for case, batch, precision in wanted:
            try:
                row = measure(case, batch, precision, options, Path(folder), progress)
            except Failure as failure:
                failures.append(f"{row_title(case, batch, precision)}: {failure}")
                continue
            rows.append(row)
            if not row.agrees():
                failures.append(
                    f"{row_title(case, batch, precision)}: the results differ by "
                    f"{row.difference:.1e}, more than {tolerance(case, precision):.0e}"
                )
    if rows:
        section = report(rows, options)
        print(section)
        if not (options.tiny or options.no_record):
            with RESULTS.open("a") as file:
                file.write("\n" + section)
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
