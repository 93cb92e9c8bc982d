"""Reads event files that Tandem wrote the way TensorBoard does, and compares every value.

Pinned: Python 3.11, tensorboard 2.21.0, protobuf 7.36.2.
Run from the package's root:

    pip install tensorboard==2.21.0 protobuf==7.36.2
    TANDEM_EVENTS_OUTPUT=/tmp/events swift test --filter TandemEventsTests
    python Tests/Fixtures/check_events.py /tmp/events

The directory must hold what events/events.json says: a run, interrupted and resumed.
Ends with status 1 at the first difference.
"""

import json
import math
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader


def single(text):
    """The number a text says, rounded to single precision as the format does."""
    value = float(text)
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(a, b):
    return struct.pack("<d", a) == struct.pack("<d", b)


def expect(condition, message):
    if not condition:
        sys.exit(f"check_events: {message}")


directory = pathlib.Path(sys.argv[1])
runs = json.loads(
    (pathlib.Path(__file__).parent / "events" / "events.json").read_text("utf-8")
)
resumed_at = runs["resumed"]["resumingAtStep"]
expected = [e for e in runs["first"]["events"] if e["step"] < resumed_at]
expected += runs["resumed"]["events"]

# Each file alone: the records frame, decode, and are as many as were written.
files = sorted(directory.iterdir())
expect(len(files) == 2, f"expected two files in {directory}, found {len(files)}")
for path, run in zip(files, runs.values()):
    loaded = list(EventFileLoader(str(path)).Load())
    wanted = 1 + ("resumingAtStep" in run) + len(run["events"])
    expect(
        len(loaded) == wanted, f"{path.name}: {len(loaded)} events, expected {wanted}"
    )
    expect(loaded[0].file_version == "brain.Event:2", f"{path.name}: no version event")
    print(f"{path.name}: {len(loaded)} events")

# The directory as one run: what the resumed run says again replaces what was said before.
run = EventAccumulator(str(directory), size_guidance={"scalars": 0, "tensors": 0})
run.Reload()
scalars = texts = 0
for tag in sorted({e["tag"] for e in expected}):
    points = [e for e in expected if e["tag"] == tag]
    if "text" in points[0]:
        found = [
            (t.step, t.wall_time, t.tensor_proto.string_val[0].decode())
            for t in run.Tensors(tag)
        ]
        wanted = [(e["step"], e["time"], e["text"]) for e in points]
        plugin = run.SummaryMetadata(tag).plugin_data.plugin_name
        expect(found == wanted, f"{tag}: found {found}, expected {wanted}")
        expect(plugin == "text", f"{tag}: shown by the plugin {plugin!r}, not 'text'")
        texts += len(points)
    else:
        found = run.Scalars(tag)
        wanted = [(e["step"], e["time"], single(e["value"])) for e in points]
        expect(
            len(found) == len(wanted)
            and all(
                f.step == step and f.wall_time == time and same(f.value, value)
                for f, (step, time, value) in zip(found, wanted)
            ),
            f"{tag}: found {found}, expected {wanted}",
        )
        scalars += len(points)
found_tags = set(run.Tags()["scalars"]) | set(run.Tags()["tensors"])
expect(found_tags == {e["tag"] for e in expected}, f"tags found: {sorted(found_tags)}")
print(f"TensorBoard reads all {scalars} scalars and {texts} texts as written")
