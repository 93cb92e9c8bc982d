"""What is compared: the cases, what Tandem aims at in them, and the rows that are planned."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

PRECISIONS = ["float32", "bfloat16"]
REFERENCES = ["eager", "compiled"]
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # of what the two compute; pieces must be equal

PAUSE = 0.05  # seconds between two turns, until the threads of the one before are asleep
WAKE = 0.1  # seconds of runs that do not count before one on a GPU, whose clocks fall in a pause

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
