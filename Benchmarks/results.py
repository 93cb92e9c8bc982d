"""Renders what compare.py measured as Markdown, and records it."""

import datetime
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cases import CASES, Plan


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
    our_faults: list  # the pages that each of our runs had to be given; None where nobody counted

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
        faults = [] if self.plan.device == "cuda" else [self.faults()]
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
            *faults,
            f"{self.difference:.1e}" + ("" if self.agrees() else " **differs**"),
        ]

    def faults(self):
        return "—" if None in self.our_faults else f"{median(self.our_faults):.0f}"

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
        cells = [self.plan.name, self.plan.precision, reason]
        return cells + [""] * (len(headings(self.plan.device)) - len(cells))


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
    "page faults",
    "difference",
]


def headings(device):
    """Page faults are of a processor's memory."""
    if device == "cpu":
        return HEADINGS
    return [name.replace("MB", "GPU MB") for name in HEADINGS if name != "page faults"]


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


def table(headings, rows, words):
    """A Markdown table whose columns line up. The first columns are words, the others numbers."""
    widths = [max(map(len, column)) for column in zip(headings, *rows)]

    def padded(cells):
        aligned = [cell.ljust(w) for cell, w in zip(cells[:words], widths)]
        aligned += [cell.rjust(w) for cell, w in zip(cells[words:], widths[words:])]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * w if i < words else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join(map(padded, [headings, rule, *rows]))


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


def report(rows, sections, options):
    """What goes to the standard output and to RESULTS.md. Rows or sections may be missing."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    measured = [row for row in rows if isinstance(row, Row)]
    rates = {}
    for row in measured:
        if "gflops" in row.our_ready and not CASES[row.plan.case].is_loading:
            rates.setdefault(row.plan.precision, []).append(row.our_ready["gflops"])
    notes = [f"- {options.threads} of {os.cpu_count()} cores"]
    if rows:
        notes[0] += f"; runs of each side: {options.repeats}"
        notes += [
            f"- reference: {versions(measured, lambda row: row.their_ready)}",
            f"- Tandem: {versions(measured, lambda row: row.our_ready) or 'no versions given'}",
        ]
    if options.gpu:
        notes.insert(0, f"- GPU: {options.gpu}")
    if rates:
        text = ", ".join(f"{rate_text(median(rate))} {name}" for name, rate in rates.items())
        notes.append(f"- one large matrix product: {text}")
    parts = [f"## {date}, {processor()}", "\n".join(notes)]
    if rows:
        names = headings(options.device)
        parts.append(table(names, [row.cells() for row in rows], words=2))
    parts += [text for section in sections for text in section.texts()]
    return "\n\n".join(parts) + "\n"


class Record:
    """A section at the end of a file, which can be written again as it grows."""

    def __init__(self, path):
        self.path = path
        self.start = path.stat().st_size if path.exists() else 0

    def write(self, section):
        with self.path.open("a") as file:
            file.truncate(self.start)
            file.write("\n" + section)
