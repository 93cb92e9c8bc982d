"""Makes the LXMERT, VisualBERT and CLIP fixtures: tiny random models run by the reference library.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0,
numpy 2.4.6.

    python Tests/Fixtures/make_transformers_models.py

Writes {lxmert,visualbert,clip}/*.safetensors and *.json beside this script. Every number is
computed in double precision from inputs that float32 holds exactly, and rounded to float32 when it
is stored. The library runs one padded batch with its masks; the valid rows are stored, and the same
examples run one at a time must agree with them. LXMERT and CLIP weights have the names of the
published checkpoints, VisualBERT's those of the library.

Each model has its own file, transformers_{lxmert,visualbert,clip}.py, and what they share is in
transformers_support.py.
"""

import torch

from transformers_clip import make_clip
from transformers_lxmert import make_lxmert
from transformers_support import FOLDER
from transformers_visualbert import make_visualbert


if __name__ == "__main__":
  torch.set_num_threads(1)
  for folder in ["lxmert", "visualbert", "clip"]:
    (FOLDER / folder).mkdir(parents=True, exist_ok=True)
  make_lxmert()
  make_visualbert()
  make_clip()
  for folder in ["lxmert", "visualbert", "clip"]:
    size = sum(path.stat().st_size for path in (FOLDER / folder).iterdir())
    print(f"{folder} fixtures: {size} bytes")
