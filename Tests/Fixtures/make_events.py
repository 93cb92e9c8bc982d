"""Writes the reference event files of Tests/TandemEventsTests with TensorBoard's own code.

Pinned: Python 3.11, tensorboard 2.21.0, protobuf 7.36.2.
Run from the package's root:

    pip install tensorboard==2.21.0 protobuf==7.36.2
    python Tests/Fixtures/make_events.py

Reads events/events.json (written by hand), writes events/first.tfevents, events/resumed.tfevents.
"""

import json
import pathlib

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

FOLDER = pathlib.Path(__file__).parent / "events"


def events_of(run):
    yield event_pb2.Event(wall_time=run["time"], file_version="brain.Event:2")
    if "resumingAtStep" in run:
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        yield event_pb2.Event(
            wall_time=run["time"], step=run["resumingAtStep"], session_log=start
        )
    for event in run["events"]:
        value = summary_pb2.Summary.Value(tag=event["tag"])
        if "text" in event:
            value.metadata.plugin_data.plugin_name = "text"
            value.tensor.CopyFrom(
                tensor_pb2.TensorProto(
                    dtype=types_pb2.DT_STRING, string_val=[event["text"].encode()]
                )
            )
        else:
            value.simple_value = float(event["value"])
        yield event_pb2.Event(
            wall_time=event["time"],
            step=event["step"],
            summary=summary_pb2.Summary(value=[value]),
        )


for name, run in json.loads((FOLDER / "events.json").read_text("utf-8")).items():
    with open(FOLDER / f"{name}.tfevents", "wb") as file:
        writer = RecordWriter(file)
        for event in events_of(run):
            writer.write(event.SerializeToString(deterministic=True))
