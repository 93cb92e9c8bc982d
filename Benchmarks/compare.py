"""Times Tandem and the reference in turn on the same weights and inputs, and compares what they
compute. scripts/bench runs it.

For each row of the table both workers start as fresh processes, write what they compute, and warm
up; then they take turns, one run at a time, so that whatever else the machine does falls on both.
The table goes to the standard output and to RESULTS.md, progress to the standard error. The exit
status is 1 if a worker died or the two computed different things. The protocol of the workers
stands in worker.py.

On a GPU the reference is measured as it is ("eager") and compiled by torch.compile, each against
Tandem in a row of its own.
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
REFERENCES = ["eager", "compiled"]
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # of what the two compute; pieces must be equal
LEAST_SCALE = 0.02  # losses nearer 0 than this are compared as if they were this large

# OpenMP's threads spin at their barriers. Where another process has a core, the default makes a run
# several times slower, so both workers spin as little as Tandem does by itself.
WAITING = {"GOMP_SPINCOUNT": "2000"}
PAUSE = 0.05  # seconds between two turns, until the threads of the one before are asleep
WAKE = 0.1  # seconds of runs that do not count before one on a GPU, whose clocks fall in a pause

REPEATS = {"cpu": 7, "cuda": 20}  # runs on a GPU are short

# To estimate the time left.
START_RUNS = 4  # of a worker's check and warm-up
GPU_SPEED = 300  # of a GPU, relative to the machine of the guesses
GPU_START = 15  # seconds until a worker has loaded where there is a GPU
COMPILING = 60  # seconds that torch.compile takes


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


@dataclass(frozen=True)
class Plan:
    """A row to measure."""

    case: str
    batch: int
    precision: str
    device: str
    reference: str  # one of REFERENCES

    @property
    def name(self):
        """What stands in the table's first column."""
        title = CASES[self.case].title.format(self.batch)
        return title + ", against compiled" * (self.reference == "compiled")

    @property
    def title(self):
        return self.name if CASES[self.case].is_loading else f"{self.name}, {self.precision}"

    @property
    def tolerance(self):
        return 0 if self.case == "wordpiece" else TOLERANCE[self.precision]

    # Guesses, in seconds.

    @property
    def run(self):
        speed = GPU_SPEED if self.device == "cuda" else 1
        return CASES[self.case].seconds * self.batch / speed + (PAUSE + WAKE) * (speed > 1)

    @property
    def start(self):
        start = GPU_START if self.device == "cuda" else CASES[self.case].start
        return start + START_RUNS * self.run

    @property
    def reference_start(self):
        return self.start + COMPILING * (self.reference == "compiled")

    def all(self, repeats):
        return self.start + self.reference_start + repeats * 2 * self.run


class Failure(Exception):
    """What went wrong in a row; the other rows still count."""


class Unavailable(Exception):
    """Why a worker cannot be measured in a row, where that is no failure."""


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

    def said(self):
        """What the worker wrote to the standard error so far."""
        self.errors.seek(0)
        return self.errors.read().strip()

    def listen(self, field):
        """The worker's next message, which must have the field."""
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            raise Failure(f"{self.name} ended with status {status}:\n{self.said()}")
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            raise Failure(f"{self.name} said {line!r}, which is no JSON") from None
        if "unavailable" in message:
            raise Unavailable(message["unavailable"], self.said())
        if field not in message:
            raise Failure(f"{self.name} said {line!r}, expected {field!r}")
        return message

    def say(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # listen says why

    def run(self, wakes):
        """Milliseconds of one run, after those that wake a GPU."""
        time.sleep(PAUSE)
        start = time.monotonic()
        while wakes and time.monotonic() - start < WAKE:
            self.go()
        return self.go()

    def go(self):
        self.say("go")
        return self.listen("milliseconds")["milliseconds"]

    def quit(self):
        """The last message: the peaks of its memory, in megabytes."""
        self.say("quit")
        peaks = self.listen("peakMegabytes")
        if self.process.wait() != 0:
            self.listen("an end with status 0")
        return peaks

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


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


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

    plan: Plan
    ours: list
    theirs: list
    our_peaks: dict
    their_peaks: dict
    difference: float
    our_ready: dict
    their_ready: dict

    def agrees(self):
        return self.difference <= self.plan.tolerance

    def ratio(self):
        return median(b / a for a, b in zip(self.ours, self.theirs))

    def aim(self, aims, form):
        """What Tandem aims at; the aims are for processors."""
        aim = aims.get(self.plan.precision) if self.plan.device == "cpu" else None
        return "" if aim is None else "≥ " + form.format(aim)

    def cells(self):
        case = CASES[self.plan.case]
        products = self.our_ready.get("productMilliseconds")
        share = "—" if products is None else f"{100 * products / median(self.ours):.0f} %"
        return [
            self.plan.name,
            "—" if case.is_loading else self.plan.precision,
            times(self.theirs),
            times(self.ours),
            f"{self.ratio():.2f}×",
            self.aim(case.ratios, "{:.1f}×"),
            share,
            self.aim(case.shares, "{:.0%}").replace("%", " %"),
            memory(self.their_peaks, self.plan.device),
            memory(self.our_peaks, self.plan.device),
            f"{self.difference:.1e}" + ("" if self.agrees() else " **differs**"),
        ]

    def summary(self):
        return (
            f"reference {times(self.theirs)} ms, Tandem {times(self.ours)} ms, "
            f"{self.ratio():.2f}×, difference {self.difference:.1e}"
        )


@dataclass
class Unmeasured:
    """A row of the table that says why there are no numbers."""

    plan: Plan
    reason: str

    def cells(self):
        reason = self.reason.replace("|", "/")
        reason = reason if len(reason) <= 60 else reason[:59] + "…"
        return [self.plan.name, self.plan.precision, reason] + [""] * (len(HEADINGS) - 3)


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


def memory(peaks, device):
    """The peak of the process's memory, or of the GPU's: what tensors took, and in parentheses what
    the allocator kept for them."""
    if device == "cpu":
        return f"{peaks['peakMegabytes']:.0f}"
    used, kept = peaks.get("peakDeviceMegabytes"), peaks.get("peakDeviceReservedMegabytes")
    if used is None:
        return "—"
    return f"{used:.0f}" + ("" if kept is None else f" ({kept:.0f})")


def table(rows, device):
    """A Markdown table whose columns line up."""
    unit = "MB" if device == "cpu" else "GPU MB"
    headings = [heading.replace("MB", unit) for heading in HEADINGS]
    lines = [headings, *[row.cells() for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]

    def padded(cells):
        # The first two columns are words, the others numbers.
        words, numbers = zip(cells[:2], widths[:2]), zip(cells[2:], widths[2:])
        aligned = [cell.ljust(w) for cell, w in words] + [cell.rjust(w) for cell, w in numbers]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * w if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([padded(headings), padded(rule), *[padded(line) for line in lines[1:]]])


def processor():
    """Name, family and model of the processor, and the fast bfloat16 instructions it has."""
    fields = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    details = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    details += [flag for flag in fields.get("flags", "").split() if flag.endswith("_bf16")]
    return f"{fields.get('model name', 'processor without a name')} ({', '.join(details)})"


GPU_QUESTION = """
import json, sys, torch
if not torch.cuda.is_available():
    sys.exit("this torch finds no GPU")
gpu = torch.cuda.get_device_properties(0)
print(json.dumps(f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"))
"""


def graphics_processor():
    """Name and memory of the GPU, and the version of its driver. Another process asks, so that this
    one takes no memory of the GPU."""
    question = [sys.executable, "-c", GPU_QUESTION]
    answer = subprocess.run(question, capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"bench: --device cuda: {answer.stderr.strip()}")
    driver = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(driver, capture_output=True, text=True, check=True).stdout
        version = found.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        version = "unknown"
    return f"{json.loads(answer.stdout)}, driver {version}"


def versions(rows, ready):
    """Name and version of everything a worker named, in any row."""
    found = {}
    for row in rows:
        for name, version in ready(row).get("versions", {}).items():
            found.setdefault(name, []).append(str(version))
    return ", ".join(f"{name} {' or '.join(sorted(set(seen)))}" for name, seen in found.items())


def rate_text(rate):
    return f"{rate:.0f} GFLOP/s" if rate < 10_000 else f"{rate / 1000:.0f} TFLOP/s"


def report(rows, options):
    """The section that goes to the standard output and to RESULTS.md."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    measured = [row for row in rows if isinstance(row, Row)]
    rates = {}
    for row in measured:
        if "gflops" in row.our_ready and not CASES[row.plan.case].is_loading:
            rates.setdefault(row.plan.precision, []).append(row.our_ready["gflops"])
    notes = [
        f"- {options.threads} of {os.cpu_count()} cores; runs of each side: {options.repeats}",
        f"- reference: {versions(measured, lambda row: row.their_ready)}",
        f"- Tandem: {versions(measured, lambda row: row.our_ready) or 'no versions given'}",
    ]
    if options.gpu:
        notes.insert(0, f"- GPU: {options.gpu}")
    if rates:
        text = ", ".join(f"{rate_text(median(rate))} {name}" for name, rate in rates.items())
        notes.append(f"- one large matrix product: {text}")
    heading = f"## {date}, {processor()}"
    return "\n".join([heading, "", *notes, "", table(rows, options.device), ""])


class Record:
    """A section at the end of a file, which can be written again as it grows."""

    def __init__(self, path):
        self.path = path
        self.start = path.stat().st_size if path.exists() else 0

    def write(self, section):
        with self.path.open("a") as file:
            file.truncate(self.start)
            file.write("\n" + section)


def measure(plan, options, folder, progress):
    """One row: fresh workers, the check, and the runs in turn."""
    case = CASES[plan.case]
    threads = 1 if case.is_loading else options.threads
    arguments = ["--case", plan.case, "--batch", str(plan.batch), "--precision", plan.precision]
    arguments += ["--work", str(options.work), "--threads", str(threads)]
    on_gpu = plan.device == "cuda"
    if on_gpu:
        arguments += ["--device", plan.device]
    reference = [sys.executable, str(case.script)]
    if plan.reference == "compiled":
        reference.append("--compile")
    workers = []
    try:
        # One after the other: each measures what it chooses from while it warms up.
        for name, command, expected in [
            ("reference", reference, plan.reference_start),
            ("tandem", options.command, plan.start),
        ]:
            progress.say(f"{plan.title}: {name} warms up")
            workers.append(Worker(name, command, arguments, folder / f"{name}.json"))
            workers[-1].wait()
            progress.done += expected
        theirs, ours = workers
        distance = difference(plan.case, ours.values(), theirs.values())
        pairs = []
        for turn in range(options.repeats):
            progress.say(f"{plan.title}: {turn + 1} of {options.repeats}")
            pairs.append((theirs.run(wakes=on_gpu), ours.run(wakes=on_gpu)))
            progress.done += 2 * plan.run
        row = Row(
            plan=plan,
            ours=[our_time for _, our_time in pairs],
            theirs=[their_time for their_time, _ in pairs],
            our_peaks=ours.quit(),
            their_peaks=theirs.quit(),
            difference=distance,
            our_ready=ours.ready,
            their_ready=theirs.ready,
        )
        progress.say(f"{plan.title}: {row.summary()}")
        return row
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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu",
                        help="where both sides compute (cpu); a GPU has no rows about loading")
    parser.add_argument("--reference", choices=REFERENCES, action="append",
                        help="one way to run the reference; on a GPU both, else eager")
    parser.add_argument("--repeats", type=int,
                        help="runs of each side ({cpu}, on a GPU {cuda})".format(**REPEATS))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="all cores by default")
    parser.add_argument("--tandem", type=Path, default=ROOT / ".build/release/tandem",
                        help="the command to measure (.build/release/tandem)")
    parser.add_argument("--tandem-command", type=shlex.split, dest="command", metavar="COMMAND",
                        help="another worker instead of `tandem bench worker`")
    parser.add_argument("--tiny", action="store_true",
                        help="small models, to test the machinery; not recorded")
    parser.add_argument("--no-record", action="store_true", help="leave RESULTS.md alone")
    parser.add_argument("--record", type=Path, metavar="FILE",
                        help="append to this file instead, after every row anew, so that nothing "
                        "is lost if the comparison is stopped")
    options = parser.parse_args()
    options.sizes = TINY if options.tiny else FULL
    options.only = options.only or list(options.sizes.rows(options.device))
    absent = [case for case in options.only if case not in options.sizes.rows(options.device)]
    if absent:
        parser.error(f"--only: {' and '.join(absent)} cannot be run on {options.device}")
    if options.reference is None:
        options.reference = REFERENCES if options.device == "cuda" else ["eager"]
    if options.repeats is None:
        options.repeats = REPEATS[options.device]
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads are at least 1")
    if options.command is None:
        if not options.tandem.exists():
            parser.error(f"there is no {options.tandem}; run `make build` first")
        options.command = [str(options.tandem.resolve()), "bench", "worker"]
    options.work = work_folder(options.tiny)
    return options


def plans(cases, options):
    """All rows to measure; those about loading have one reference."""
    return [
        Plan(case, batch, precision, options.device, reference)
        for case in cases
        for batch in options.sizes.rows(options.device)[case]
        for precision in CASES[case].precisions(options.precision or PRECISIONS)
        for reference in (["eager"] if CASES[case].is_loading else options.reference)
    ]


def main():
    options = parse()
    options.gpu = graphics_processor() if options.device == "cuda" else None
    cases = list(options.only)
    prepare(options.work, options.tiny, options.device, cases)
    missing = missing_data(options.work)
    if "wordpiece" in cases and missing:
        cases.remove("wordpiece")
        print(
            f"bench: skipping wordpiece: its text is missing; run `tandem data fetch "
            f"{' '.join(missing)}` in {ROOT}",
            file=sys.stderr,
        )
    wanted = plans(cases, options)
    progress = Progress(sum(plan.all(options.repeats) for plan in wanted))
    record = Record(options.record) if options.record else None
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as folder:
        for plan in wanted:
            try:
                row = measure(plan, options, Path(folder), progress)
            except Failure as failure:
                failures.append(f"{plan.title}: {failure}")
                continue
            except Unavailable as unavailable:
                reason, details = unavailable.args
                print(f"{details}\nbench: {plan.title}: {reason}", file=sys.stderr, flush=True)
                row = Unmeasured(plan, reason)
            rows.append(row)
            if isinstance(row, Row) and not row.agrees():
                failures.append(
                    f"{plan.title}: the results differ by {row.difference:.1e}, "
                    f"more than {plan.tolerance:.0e}"
                )
            if record:
                record.write(report(rows, options))
    if rows:
        section = report(rows, options)
        print(section)
        if not (record or options.tiny or options.no_record):
            Record(RESULTS).write(section)
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
