"""Makes the fixtures of the region models: UNITER, VL-BERT, ViLBERT, Pixel-BERT and VSE, all tiny.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), safetensors 0.8.0, numpy 2.4.6.

    python Tests/Fixtures/make_region_models.py [--all-gradients] [model ...]

Writes Tests/Fixtures/{uniter,vlbert,vilbert,pixelbert,vse}/ beside this script. No package carries
these models, so each is written a second time in region_*.py, from its equations, as naively as
possible: one example at a time, no padding, one head at a time, losses summed row by row. torch
multiplies the matrices and differentiates. Everything is computed in double precision from inputs
that float32 holds exactly, and rounded to float32 when it is stored. The weights have the published
names.

`wrong` names one usual mistake; a model run with it gives what that mistake would give. Its effect
on the output that it concerns is stored, so a test knows how fine its tolerance must be.
"""

import sys

import numpy as np
import torch
from region_fixture import ALL_GRADIENTS, ROOT
from region_uniter import make_uniter
from region_vilbert import make_vilbert
from region_vlbert import make_vlbert
from region_without_boxes import make_pixelbert, make_vse

SEED = 20190820

MODELS = {
  "uniter": make_uniter, "vlbert": make_vlbert, "vilbert": make_vilbert,
  "pixelbert": make_pixelbert, "vse": make_vse,
}


if __name__ == "__main__":
  torch.set_num_threads(1)
  chosen = [argument for argument in sys.argv[1:] if argument != ALL_GRADIENTS]
  for number, (name, make) in enumerate(MODELS.items()):
    if not chosen or name in chosen:
      make(np.random.default_rng(SEED + number))
  sizes = {name: sum(path.stat().st_size for path in (ROOT / name).glob("*")) for name in MODELS}
  print("bytes:", sizes, sum(sizes.values()))
