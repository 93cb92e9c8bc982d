"""Times Tandem and the reference in turn on the same weights and inputs, and compares what they
compute. scripts/bench runs it.

For each row of the table both workers start as fresh processes, write what they compute, and warm
up; then they take turns, one run at a time, so that whatever else the machine does falls on both.
The table goes to the standard output and to RESULTS.md, progress to the standard error. The exit
status is 1 if a worker died or the two computed different things. The protocol of the workers
stands in worker.py; results.py renders, and alone.py measures what is about Tandem alone.

On a GPU the reference is measured as it is ("eager") and compiled by torch.compile, each against
Tandem in a row of its own.
"""

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alone import SECTIONS
from cases import CASES, PAUSE, PRECISIONS, REFERENCES, WAKE, Failure, Plan, Unavailable
from prepare import FULL, TINY, missing_data, prepare, work_folder
from results import Record, Row, Unmeasured, report

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "RESULTS.md"

LEAST_SCALE = 0.02  # losses nearer 0 than this are compared as if they were this large

# OpenMP's threads spin at their barriers. Where another process has a core, the default makes a run
# several times slower, so both workers spin as little as Tandem does by itself.
WAITING = {"GOMP_SPINCOUNT": "2000"}

REPEATS = {"cpu": 7, "cuda": 20}  # runs on a GPU are short


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
        """What the worker says of one run, after those that wake a GPU."""
        time.sleep(PAUSE)
        start = time.monotonic()
        while wakes and time.monotonic() - start < WAKE:
            self.go()
        return self.go()

    def go(self):
        self.say("go")
        return self.listen("milliseconds")

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
            ours=[our["milliseconds"] for _, our in pairs],
            theirs=[their["milliseconds"] for their, _ in pairs],
            our_peaks=ours.quit(),
            their_peaks=theirs.quit(),
            difference=distance,
            our_ready=ours.ready,
            their_ready=theirs.ready,
            our_faults=[our.get("pageFaults") for _, our in pairs],
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
    parser.add_argument("--only", choices=[*CASES, *SECTIONS], action="append", metavar="CASE",
                        help=f"one case ({', '.join(CASES)}) or one section about Tandem alone "
                        f"({', '.join(SECTIONS)}); may be given more than once")
    parser.add_argument("--precision", choices=PRECISIONS, action="append",
                        help="one precision instead of both; decode, wordpiece and growth have no "
                        "choice")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu",
                        help="where both sides compute (cpu); a GPU has no rows about "
                        "loading and no sections")
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
    rows = list(options.sizes.rows(options.device))
    possible = rows + (list(SECTIONS) if options.device == "cpu" else [])
    # Where nothing is named, toy models and other workers have no sections.
    options.only = options.only or (rows if options.tiny or options.command else possible)
    absent = [case for case in options.only if case not in possible]
    if absent:
        parser.error(f"--only: {' and '.join(absent)} cannot be run on {options.device}")
    if options.reference is None:
        options.reference = REFERENCES if options.device == "cuda" else ["eager"]
    if options.repeats is None:
        options.repeats = REPEATS[options.device]
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads are at least 1")
    needs_tandem = options.command is None or not SECTIONS.keys().isdisjoint(options.only)
    if needs_tandem and not options.tandem.exists():
        parser.error(f"there is no {options.tandem}; run `make build` first")
    options.command = options.command or [str(options.tandem.resolve()), "bench", "worker"]
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
    cases = [name for name in options.only if name in CASES]
    sections = [SECTIONS[name](options) for name in options.only if name in SECTIONS]
    if cases:
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
    guesses = [plan.all(options.repeats) for plan in wanted] + [part.seconds for part in sections]
    progress = Progress(sum(guesses))
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
                record.write(report(rows, [], options))
    for section in sections:
        try:
            for _ in section.measure(progress):
                if record:
                    record.write(report(rows, sections, options))
        except Failure as failure:
            failures.append(str(failure))
    if rows or any(section.texts() for section in sections):
        text = report(rows, sections, options)
        print(text)
        if not (record or options.tiny or options.no_record):
            Record(RESULTS).write(text)
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
