"""The sections of the results that are about Tandem alone: what loading costs in a step of
pre-training, and how time and memory grow. `tandem bench` measures them, a JSON line a row."""

import json
import subprocess
import tempfile

from cases import PRECISIONS, Failure
from results import table

MOST_WAITING, MOST_LOADING = "< 2 %", "≤ 5 %"


def percent(share):
    return f"{100 * share:.2f} %"


def titled(title, headings, rows, words):
    return [f"### {title}", table(headings, rows, words)] if rows else []


class Section:
    """Commands of Tandem, and what they said."""

    name = ""  # of the command
    seconds = 0  # a guess at all commands

    def __init__(self, options):
        self.options = options
        self.found = []

    def commands(self):
        """The title, the arguments and the number of expected lines of each command."""
        raise NotImplementedError

    def texts(self):
        """Headings and tables of what was found so far."""
        raise NotImplementedError

    def label(self, message):
        """What a line was about, to say so on the way."""
        raise NotImplementedError

    def measure(self, progress):
        """Runs the commands. Yields whenever something was found."""
        commands = self.commands()
        for title, arguments, expected in commands:
            progress.say(f"{title}: starts")
            done = progress.done
            for count, message in enumerate(self.lines(title, arguments), 1):
                self.found.append(message)
                progress.done = done + self.seconds / len(commands) * min(1, count / expected)
                progress.say(f"{title}: {self.label(message)}")
                yield

    def lines(self, title, arguments):
        """What a command says, line by line."""
        command = [str(self.options.tandem.resolve()), "bench", self.name, "--json", *arguments]
        command += ["--threads", str(self.options.threads)]
        if self.options.tiny:
            command += ["--preset", "tiny"]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                for line in process.stdout:
                    try:
                        yield json.loads(line)
                    except json.JSONDecodeError:
                        raise Failure(f"{title}: {line!r} is no JSON") from None
                status = process.wait()
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
            if status != 0:
                errors.seek(0)
                raise Failure(f"{title} ended with status {status}:\n{errors.read().strip()}")


class Loading(Section):
    name = "loading"

    def __init__(self, options):
        super().__init__(options)
        self.precisions = options.precision or PRECISIONS
        self.seconds = len(self.precisions) * (5 if options.tiny else 90)

    def commands(self):
        steps = "2" if self.options.tiny else "3"
        return [
            (f"loading, {precision}", ["--precision", precision, "--steps", steps], 1)
            for precision in self.precisions
        ]

    def label(self, report):
        return f"{report['seconds']:.2f} s a step"

    def texts(self):
        rows = [
            [
                report["precision"],
                f"{report['seconds']:.2f}",
                percent(report["waited"] / report["seconds"]),
                MOST_WAITING,
                percent(report["loadingSeconds"] / report["processorSeconds"]),
                MOST_LOADING,
            ]
            for report in self.found
        ]
        share = "loading's share of the processors' time"
        return titled(
            "Loading in a step of pre-training (32 pairs from JPEG files of 640 × 480, "
            "one loader thread)",
            ["precision", "step, s", "waits for data", "aim", share, "aim"],
            rows,
            words=1,
        )


class Growth(Section):
    name = "growth"
    units = {"length": "rows a sequence", "batch": "sequences", "depth": "layers"}

    def __init__(self, options):
        super().__init__(options)
        self.seconds = 8 if options.tiny else 400

    def commands(self):
        arguments = ["--precision", "float32", "--repeats", "3"]
        arguments += ["--records", "10000"] if self.options.tiny else []
        # Four values of each axis, and data sets from a thousand records on.
        return [("growth", arguments, 4 * len(self.units) + (2 if self.options.tiny else 4))]

    def label(self, row):
        if "records" in row:
            return f"{row['records']} records, {row['examplesPerSecond']:.0f} examples/s"
        return f"{row['value']} {self.units[row['axis']]}, {row['milliseconds']:.0f} ms"

    def texts(self):
        steps = [
            [
                self.units[row["axis"]],
                str(row["value"]),
                f"{row['milliseconds']:.0f}",
                f"{row['megabytes']:.0f}",
                f"{row['recomputedMilliseconds']:.0f}",
                f"{row['recomputedMegabytes']:.0f}",
            ]
            for row in self.found
            if "axis" in row
        ]
        data = [
            [
                str(row["records"]),
                f"{row['fileMegabytes']:.1f}",
                f"{row['openSeconds']:.2f}",
                f"{row['examplesPerSecond']:.0f}",
                f"{row['megabytes']:.0f}",
            ]
            for row in self.found
            if "records" in row
        ]
        model, rows, layers = ("tiny", 31, 2) if self.options.tiny else ("ViLT-B/32", 159, 12)
        return titled(
            f"Growth of a training step (MLM, {model}, float32; 4 sequences of {rows} rows, "
            f"{layers} layers where not said otherwise)",
            ["what grows", "to", "ms", "MB", "recomputed, ms", "recomputed, MB"],
            steps,
            words=1,
        ) + titled(
            "Growth with the data set (streamed; memory is what the process holds outside files)",
            ["records", "file, MB", "open, s", "examples/s", "memory, MB"],
            data,
            words=0,
        )


SECTIONS = {section.name: section for section in (Loading, Growth)}
