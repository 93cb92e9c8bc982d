"""The reference of the rows about loading, on one thread: Pillow reads pictures, Hugging Face
tokenizers cuts text. A worker as worker.py describes it; PyTorch is not loaded here, so that it
does not count in the memory."""

import os
import sys

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")

import PIL
import tokenizers
from PIL import Image, ImageStat, features
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

import worker

# What ViLT's rule makes of 640 × 480: the shorter side becomes 384, the longer 512.
RESIZED = (512, 384)

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MODULUS = 1_000_000


class Decode(worker.Case):
    """All pictures, from file to resized bytes."""

    def __init__(self, work, batch):
        self.paths = [work / "pictures" / f"{place:02}.jpg" for place in range(batch)]
        self.versions = {
            "pillow": PIL.__version__,
            "libjpeg-turbo": features.version("libjpeg_turbo") or "none",
        }

    def picture(self, path):
        return Image.open(path).convert("RGB").resize(RESIZED, Image.Resampling.BICUBIC)

    def check(self):
        """The mean of each channel of each picture."""
        return [mean for path in self.paths for mean in ImageStat.Stat(self.picture(path)).mean]

    def run(self):
        for path in self.paths:
            self.picture(path)


class Words(worker.Case):
    """All lines, to ids and offsets. They stay in the library's own memory: making Python lists of
    them would take longer than finding them."""

    ways = ["encode", "encode_batch"]

    def __init__(self, work, batch):
        assert batch == 1, "this row always takes all lines"
        model = WordPiece.from_file(
            str(work / "vocab.txt"), unk_token="[UNK]", max_input_chars_per_word=100
        )
        self.tokenizer = Tokenizer(model)
        self.tokenizer.normalizer = BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
        )
        self.tokenizer.pre_tokenizer = BertPreTokenizer()
        self.tokenizer.add_special_tokens(SPECIAL_TOKENS)  # found where a text spells them
        # Only a line feed ends a line; Python would also take other characters for an end.
        text = (work / "lines.txt").read_bytes().decode()
        self.lines = text.removesuffix("\n").split("\n")
        self.versions = {"tokenizers": tokenizers.__version__}

    def use(self, way):
        self.way = way

    def check(self):
        """The number of pieces, and the sums of ids and of the ends of the offsets, which count in
        Unicode code points."""
        pieces, ids, ends = 0, 0, 0
        for line in self.lines:
            encoding = self.tokenizer.encode(line, add_special_tokens=False)
            pieces += len(encoding)
            ids += sum(encoding.ids)
            ends += sum(end for _, end in encoding.offsets)
        return [float(pieces), float(ids % MODULUS), float(ends % MODULUS)]

    def run(self):
        if self.way == "encode_batch":
            self.tokenizer.encode_batch(self.lines, add_special_tokens=False)
        else:
            for line in self.lines:
                self.tokenizer.encode(line, add_special_tokens=False)


CASES = {"decode": Decode, "wordpiece": Words}


def main():
    options = worker.parser(CASES).parse_args()
    if options.threads != 1:
        sys.exit("loading: these cases run on one thread")
    case = CASES[options.case](options.work, options.batch)
    worker.write_check(case, options.check)
    versions = dict(case.versions)
    if case.ways:
        versions["tokenizers call"] = worker.use_fastest(case)
    worker.serve(case, versions)


if __name__ == "__main__":
    main()
