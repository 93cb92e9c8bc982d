"""Makes the training fixtures: layers, operators, optimisers, schedules, metrics and intervals.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0,
numpy 2.4.6.

    python Tests/Fixtures/make_training.py

Writes Tests/Fixtures/training/*.safetensors and *.json beside this script. Every number is computed
in double precision from inputs that float32 holds exactly, and rounded to float32 when it is
stored. Sequences of different lengths are stored packed: their rows end to end, without padding.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save as serialise
from transformers import (
  BertConfig, ViltConfig, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup,
)
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.vilt.modeling_vilt import ViltLayer

FOLDER = Path(__file__).resolve().parent / "training"
SEED = 20190815
HIDDEN, HEADS, FFN = 32, 4, 64


def save(name, tensors):
  """Writes float32 and int64 tensors; the names are sorted so that the file is reproducible."""
  arrays = {}
  for key, value in sorted(tensors.items()):
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    kind = np.int64 if array.dtype.kind in "iub" else np.float32
    arrays[key] = np.ascontiguousarray(array, dtype=kind)
  (FOLDER / name).write_bytes(serialise(arrays))


def save_json(name, value):
  (FOLDER / name).write_text(json.dumps(value, indent=1) + "\n")


def draw(rng, *shape, scale=1.0, centre=0.0):
  """A double-precision tensor of normal numbers that float32 holds exactly."""
  numbers = (centre + scale * rng.standard_normal(shape)).astype(np.float32)
  return torch.from_numpy(np.asarray(numbers)).double()


def largest(left, right):
  return float((left - right).detach().abs().max())


# MARK: Encoder layers

# Spreads and centres chosen so that a wrong epsilon moves the result: what enters a norm is small.
LAYER_SCALES = {
  "attention.self.query.weight": (0.0, 3.0),
  "attention.self.key.weight": (0.0, 3.0),
  "attention.self.value.weight": (0.0, 0.2),
  "attention.output.dense.weight": (0.0, 0.1),
  "attention.output.dense.bias": (0.0, 0.01),
  "attention.output.LayerNorm.weight": (0.05, 0.01),
  "attention.output.LayerNorm.bias": (0.0, 0.01),
  "intermediate.dense.weight": (0.0, 3.0),
  "output.dense.weight": (0.0, 0.005),
  "output.dense.bias": (0.0, 0.01),
  "output.LayerNorm.weight": (0.05, 0.01),
  "output.LayerNorm.bias": (0.0, 0.01),
}

# BertLayer's name -> ViltLayer's name, for the parts that differ.
PRE_NORM_NAMES = {
  "attention.self.": "attention.attention.",
  "attention.output.LayerNorm.": "layernorm_before.",
  "output.LayerNorm.": "layernorm_after.",
}


def pre_norm_name(name):
  for bert, vilt in PRE_NORM_NAMES.items():
    if name.startswith(bert):
      return name.replace(bert, vilt, 1)
  return name


def run_layer(layer, packed, cotangent, lengths):
  """Runs each sequence alone; returns packed outputs and gradients of sum(output * cotangent)."""
  x = packed.clone().requires_grad_()
  outputs = []
  for rows in x.split(lengths):
    result = layer(rows[None])
    outputs.append((result[0] if isinstance(result, tuple) else result)[0])
  output = torch.cat(outputs)
  layer.zero_grad()
  (output * cotangent).sum().backward()
  return output, x.grad, {name: p.grad.clone() for name, p in layer.named_parameters()}


def run_padded(layer, packed, lengths):
  """The same sequences as one padded batch with an additive key mask."""
  width = max(lengths)
  x = torch.zeros(len(lengths), width, HIDDEN, dtype=torch.float64)
  mask = torch.full((len(lengths), 1, 1, width), -10000.0, dtype=torch.float64)
  for row, rows in enumerate(packed.split(lengths)):
    x[row, : len(rows)] = rows
    mask[row, ..., : len(rows)] = 0
  result = layer(x, attention_mask=mask)
  result = result[0] if isinstance(result, tuple) else result
  return torch.cat([result[row, :length] for row, length in enumerate(lengths)])


def make_layers():
  rng = np.random.default_rng(SEED)
  lengths = [5, 9]
  shared = dict(hidden_size=HIDDEN, num_attention_heads=HEADS, intermediate_size=FFN,
                hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                attn_implementation="eager")
  post = BertLayer(BertConfig(**shared, layer_norm_eps=1e-12)).double().eval()
  pre = ViltLayer(ViltConfig(**shared, layer_norm_eps=1e-6)).double().eval()
  tensors = {"lengths": np.array(lengths)}
  with torch.no_grad():
    for name, parameter in sorted(post.named_parameters()):
      centre, scale = LAYER_SCALES.get(name, (0.0, 0.1))
      parameter.copy_(draw(rng, *parameter.shape, centre=centre, scale=scale))
      pre.get_parameter(pre_norm_name(name)).copy_(parameter)
      tensors[f"weight.{name}"] = parameter
  packed = draw(rng, sum(lengths), HIDDEN, scale=0.05)
  cotangent = draw(rng, sum(lengths), HIDDEN)
  tensors["input"], tensors["cotangent"] = packed, cotangent

  for kind, layer in [("post", post), ("pre", pre)]:
    output, grad_input, grads = run_layer(layer, packed, cotangent, lengths)
    gap = largest(output, run_padded(layer, packed, lengths))
    print(f"layer {kind}: packed against padded {gap:.1e}, output spread {output.std():.3f}")
    assert gap < 1e-12
    tensors[f"{kind}.output"], tensors[f"{kind}.grad.input"] = output, grad_input
    for name, _ in post.named_parameters():
      grad = grads[name if kind == "post" else pre_norm_name(name)]
      if kind == "post" or grad.dim() == 1:
        tensors[f"{kind}.grad.{name}"] = grad
    norms = [m for m in layer.modules() if isinstance(m, torch.nn.LayerNorm)]
    right = norms[0].eps
    for wrong in [1e-12, 1e-6, 1e-5]:
      if wrong != right:
        for norm in norms:
          norm.eps = wrong
        moved = largest(output, run_layer(layer, packed, cotangent, lengths)[0])
        print(f"layer {kind}: output moved by eps {wrong:g} instead of {right:g}: {moved:.1e}")
  save("layers.safetensors", tensors)


# MARK: Attention


def make_attention():
  """Packed attention: heads are the contiguous quarters of a row; each pair attends on its own."""
  rng = np.random.default_rng(SEED + 1)
  width = 16
  tensors = {}

  def case(name, query_lengths, key_lengths, causal):
    q = draw(rng, sum(query_lengths), width, scale=1.5).requires_grad_()
    k = draw(rng, sum(key_lengths), width, scale=1.5).requires_grad_()
    v = draw(rng, sum(key_lengths), width).requires_grad_()
    split = lambda rows: rows.view(len(rows), HEADS, width // HEADS).transpose(0, 1)[None]
    outputs, direct = [], []
    parts = zip(q.split(query_lengths), k.split(key_lengths), v.split(key_lengths))
    for one_q, one_k, one_v in parts:
      result = F.scaled_dot_product_attention(split(one_q), split(one_k), split(one_v),
                                              is_causal=causal)
      outputs.append(result[0].transpose(0, 1).reshape(len(one_q), width))
      scores = split(one_q) @ split(one_k).mT / math.sqrt(width // HEADS)
      if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
      written_out = scores.softmax(-1) @ split(one_v)
      direct.append(written_out[0].transpose(0, 1).reshape(len(one_q), width))
    output = torch.cat(outputs)
    cotangent = draw(rng, *output.shape)
    grads = torch.autograd.grad((output * cotangent).sum(), [q, k, v])
    print(f"attention {name}: against the formula {largest(output, torch.cat(direct)):.1e}")
    for key, value in {
      "query_lengths": np.array(query_lengths), "key_lengths": np.array(key_lengths),
      "query": q, "key": k, "value": v, "output": output, "cotangent": cotangent,
      "grad.query": grads[0], "grad.key": grads[1], "grad.value": grads[2],
    }.items():
      tensors[f"{name}.{key}"] = value

  case("cross", [3, 6], [7, 2], causal=False)
  case("causal", [4, 6], [4, 6], causal=True)
  save("attention.safetensors", tensors)


# MARK: Operators and losses


def make_operators():
  rng = np.random.default_rng(SEED + 2)
  tensors, report = {}, {}

  def add(name, inputs, output, cotangent=None, **others):
    """Stores inputs, output and the gradients of sum(output * cotangent), or of a scalar output."""
    scalar = output if cotangent is None else (output * cotangent).sum()
    wanted = {key: value for key, value in inputs.items() if value.requires_grad}
    grads = torch.autograd.grad(scalar, list(wanted.values()), retain_graph=True)
    for key, value in {**inputs, **others}.items():
      tensors[f"{name}.{key}"] = value
    if cotangent is None:
      report[name] = round(output.item(), 12)
    else:
      tensors[f"{name}.output"], tensors[f"{name}.cotangent"] = output, cotangent
    for key, grad in zip(wanted, grads):
      tensors[f"{name}.grad.{key}"] = grad

  places = [-30.0, -6.0, -3.0, -1.0, -0.0, 1e-4, 0.5, 1.0, 3.0, 6.0, 30.0]
  x = torch.cat([torch.tensor(places).float().double(), draw(rng, 13, scale=2.0)])
  x.requires_grad_()
  cotangent = draw(rng, len(x))
  add("gelu", {"input": x}, F.gelu(x), cotangent)
  add("quick_gelu", {"input": x}, x * torch.sigmoid(1.702 * x), cotangent)

  # Rows of very different spread and mean: the second is smaller than the square root of 1e-5.
  x = draw(rng, 5, 16)
  x = (x * torch.tensor([1, 1e-3, 30, 0.05, 1])[:, None]
       + torch.tensor([0, 0, 100, -1, 2])[:, None]).float().double().requires_grad_()
  weight = draw(rng, 16, centre=1.0, scale=0.3).requires_grad_()
  bias = draw(rng, 16, scale=0.3).requires_grad_()
  cotangent = draw(rng, 5, 16)
  for eps in ["1e-12", "1e-6", "1e-5"]:
    add(f"layer_norm_{eps}", {"input": x, "weight": weight, "bias": bias},
        F.layer_norm(x, (16,), weight, bias, float(eps)), cotangent)

  logits = draw(rng, 6, 9, scale=3.0).requires_grad_()
  labels = torch.tensor([3, -100, 0, 8, -100, 5])
  add("cross_entropy", {"logits": logits},
      F.cross_entropy(logits, labels, ignore_index=-100), labels=labels)

  logits = draw(rng, 3, 7, scale=3.0)
  logits[0, 0], logits[0, 1], logits[1, 0], logits[1, 1] = 90, -90, 90, -90
  logits.requires_grad_()
  targets = torch.tensor([[1, 0, 0.3, 0, 0, 1, 0], [0, 1, 0, 0.6, 0, 0, 0], [0] * 7])
  targets = targets.float().double()
  add("bce_mean", {"logits": logits}, F.binary_cross_entropy_with_logits(logits, targets),
      targets=targets)
  add("bce_times_classes", {"logits": logits},
      F.binary_cross_entropy_with_logits(logits, targets) * 7, targets=targets)

  # KL(target || softmax(logits)); targets hold exact zeros, which contribute 0.
  logits = draw(rng, 4, 6, scale=2.0).requires_grad_()
  targets = draw(rng, 4, 6, scale=2.0).softmax(-1)
  targets[1, 2:] = 0
  targets = (targets / targets.sum(-1, keepdim=True)).float().double()
  targets[2] = torch.tensor([0, 0, 0, 1, 0, 0])
  log_p = F.log_softmax(logits, -1)
  total = F.kl_div(log_p, targets, reduction="sum")
  for name, divisor in [("sum", 1), ("mean_over_rows", 4), ("mean_over_elements", 24)]:
    add(f"kl_{name}", {"logits": logits}, total / divisor, targets=targets)

  save("operators.safetensors", tensors)
  save_json("operators.json", {"losses": report})
  print("operator losses:", report)


# MARK: Optimisers

STEPS, WARMUP, PEAK = 20, 3, 0.05


def make_optimisers():
  rng = np.random.default_rng(SEED + 3)
  shapes = {"weight": (3, 4), "norm.weight": (4,), "bias": (3,)}
  decay = {"weight": 0.01, "norm.weight": 0.0, "bias": 0.0}
  start = {name: draw(rng, *shape) for name, shape in shapes.items()}
  # Magnitudes from 1e-6 to 10 from step to step, so that both epsilons and both moments matter.
  sizes = 10.0 ** rng.uniform(-6, 1, size=STEPS)
  grads = {name: torch.stack([draw(rng, *shape, scale=size) for size in sizes])
           for name, shape in shapes.items()}
  grads["bias"][:, 2] = 0  # A gradient that is always zero.

  rates = []
  clock = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
  schedule = get_linear_schedule_with_warmup(clock, WARMUP, STEPS)
  for _ in range(STEPS):
    rates.append(float(np.float32(schedule.get_last_lr()[0])))
    clock.step()
    schedule.step()

  tensors = {"rates": np.array(rates)}
  for name in shapes:
    tensors[f"start.{name}"], tensors[f"gradient.{name}"] = start[name], grads[name]

  def run(make):
    """Parameters after each step, stacked, from a torch optimiser."""
    values = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimiser = make([{"params": [values[name]], "weight_decay": decay[name]} for name in shapes])
    history = {name: [] for name in shapes}
    for step, rate in enumerate(rates):
      for group in optimiser.param_groups:
        group["lr"] = rate
      for name, value in values.items():
        value.grad = grads[name][step].clone()
      optimiser.step()
      for name, value in values.items():
        history[name].append(value.detach().clone())
    return {name: torch.stack(rows) for name, rows in history.items()}

  def by_hand(update):
    """The same from a function of (state, gradient, parameter, step, name), one parameter each."""
    history = {}
    for name in shapes:
      value, state, rows = start[name].clone(), {}, []
      for step, rate in enumerate(rates):
        value = value - rate * update(state, grads[name][step], value, step, name)
        rows.append(value)
      history[name] = torch.stack(rows)
    return history

  def moments(state, gradient, b1, b2):
    state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * gradient
    state["v"] = b2 * state.get("v", 0.0) + (1 - b2) * gradient**2
    return state["m"], state["v"]

  def adamw(state, gradient, value, step, name):
    m, v = moments(state, gradient, 0.9, 0.98)
    corrected = (v / (1 - 0.98 ** (step + 1))).sqrt() + 1e-8
    return m / (1 - 0.9 ** (step + 1)) / corrected + decay[name] * value

  def bert_adam(state, gradient, value, step, name):
    m, v = moments(state, gradient, 0.9, 0.999)
    return m / (v.sqrt() + 1e-6) + decay[name] * value

  def sgd(nesterov, decays):
    def update(state, gradient, value, step, name):
      gradient = gradient + (decay[name] * value if decays else 0)
      state["b"] = 0.9 * state["b"] + gradient if "b" in state else gradient
      return gradient + 0.9 * state["b"] if nesterov else state["b"]
    return update

  def without_decay(groups):
    return [{**group, "weight_decay": 0.0} for group in groups]

  results = {
    "adamw": (run(lambda groups: torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.98), eps=1e-8)),
              by_hand(adamw)),
    "bert_adam": (by_hand(bert_adam), None),
    "sgd_momentum": (
      run(lambda groups: torch.optim.SGD(without_decay(groups), lr=PEAK, momentum=0.9)),
      by_hand(sgd(False, False))),
    "sgd_nesterov": (
      run(lambda groups: torch.optim.SGD(
        without_decay(groups), lr=PEAK, momentum=0.9, nesterov=True)),
      by_hand(sgd(True, False))),
    "sgd_momentum_decay": (
      run(lambda groups: torch.optim.SGD(groups, lr=PEAK, momentum=0.9)),
      by_hand(sgd(False, True))),
  }
  for kind, (history, check) in results.items():
    if check is not None:
      gap = max(largest(history[name], check[name]) for name in shapes)
      print(f"optimiser {kind}: torch against the formula {gap:.1e}")
      assert gap < 1e-12
    for name in shapes:
      tensors[f"{kind}.{name}"] = history[name]

  # Exponential moving average, decay 0.99, over the AdamW path, from the starting values.
  for name in shapes:
    average, rows = start[name], []
    for value in results["adamw"][0][name]:
      average = 0.99 * average + 0.01 * value
      rows.append(average)
    tensors[f"ema.{name}"] = torch.stack(rows)

  # Clipping by the norm of all gradients together: one case above the limit and one below.
  clipping = {}
  for case, scale in [("above", 2.0), ("below", 0.05)]:
    values = {name: torch.zeros(shape, dtype=torch.float64, requires_grad=True)
              for name, shape in shapes.items()}
    for name, value in values.items():
      value.grad = draw(rng, *value.shape, scale=scale)
      tensors[f"clip.{case}.gradient.{name}"] = value.grad.clone()
    norm = torch.nn.utils.clip_grad_norm_(values.values(), max_norm=1.0)
    for name, value in values.items():
      tensors[f"clip.{case}.clipped.{name}"] = value.grad.clone()
    clipping[case] = {"max_norm": 1.0, "norm": round(norm.item(), 12)}
  print("clipping:", clipping)

  save("optimisers.safetensors", tensors)
  save_json("optimisers.json", {
    "steps": STEPS, "weight_decay": decay,
    "adamw": {"betas": [0.9, 0.98], "eps": 1e-8},
    "bert_adam": {"betas": [0.9, 0.999], "eps": 1e-6},
    "sgd": {"momentum": 0.9}, "ema": {"decay": 0.99}, "clip": clipping,
  })


def make_schedules():
  steps, warmup = 50, 7

  def rates(make):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimiser, num_warmup_steps=warmup, num_training_steps=steps)
    values = []
    for _ in range(steps + 1):
      values.append(round(schedule.get_last_lr()[0], 15))
      optimiser.step()
      schedule.step()
    return values

  linear = rates(get_linear_schedule_with_warmup)
  cosine = rates(get_cosine_schedule_with_warmup)
  for step in range(steps + 1):
    part = (step - warmup) / (steps - warmup)
    expected = step / warmup if step < warmup else 1 - part
    curve = step / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * part))
    assert abs(linear[step] - expected) < 1e-14 and abs(cosine[step] - curve) < 1e-14
  print(f"schedules: {steps + 1} values agree with the closed forms")
  save_json("schedules.json", {
    "steps": steps, "warmup_steps": warmup, "linear": linear, "cosine": cosine})


# MARK: Metrics


def vqa_accuracy(answers, prediction):
  """Mean over the ten sets that leave one person out of min(1, matches / 3)."""
  scores = []
  for left_out in range(len(answers)):
    others = answers[:left_out] + answers[left_out + 1:]
    scores.append(min(1.0, sum(a == prediction for a in others) / 3))
  return sum(scores) / len(scores)


def recall(scores, caption_image, k):
  """Both recalls at k of scores [images, captions]: of captions for images, and the reverse."""
  text = [np.any(caption_image[np.argsort(-row)[:k]] == image) for image, row in enumerate(scores)]
  image = [owner in np.argsort(-scores[:, c])[:k] for c, owner in enumerate(caption_image)]
  return float(np.mean(text)), float(np.mean(image))


def wilson(k, n, z):
  """Wilson's score interval for k successes of n."""
  p = k / n
  centre = (p + z * z / (2 * n)) / (1 + z * z / n)
  half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
  return max(0.0, centre - half), min(1.0, centre + half)


def make_metrics():
  rng = np.random.default_rng(SEED + 4)

  questions = []
  for count in range(11):
    answers = ["yes"] * count + ["no"] * (10 - count)
    rng.shuffle(answers)
    questions.append((answers, "yes"))
  mixed = ["red"] * 2 + ["dark red"] * 3 + ["maroon"] * 4 + ["brown"]
  rng.shuffle(mixed)
  questions += [(mixed, word) for word in ["red", "dark red", "maroon", "brown", "blue"]]
  vqa = [{"answers": list(map(str, answers)), "prediction": prediction,
          "score": round(vqa_accuracy(answers, prediction), 12)}
         for answers, prediction in questions]
  print("vqa scores by matches 0...10:", [entry["score"] for entry in vqa[:11]])

  images, captions = 7, 35
  contiguous = np.repeat(np.arange(images), 5)
  shuffled = rng.permutation(contiguous)
  noise = rng.standard_normal((images, captions))
  sets = {}
  for name, owners in [("contiguous", contiguous), ("shuffled", shuffled)]:
    scores = noise + 0.8 * (np.arange(images)[:, None] == owners[None])
    scores = np.round(scores, 5)
    assert len(np.unique(scores)) == scores.size, "scores must not tie"
    at = {str(k): recall(scores, owners, k) for k in [1, 5, 10]}
    sets[name] = {
      "caption_image": owners.tolist(), "scores": scores.tolist(),
      "text_retrieval": {k: round(text, 12) for k, (text, _) in at.items()},
      "image_retrieval": {k: round(image, 12) for k, (_, image) in at.items()},
    }
    print(f"recall {name}:", {k: (round(t, 4), round(i, 4)) for k, (t, i) in at.items()})

  z = 1.959963984540054
  intervals = []
  for k, n in [(0, 10), (10, 10), (1, 1), (5, 10), (81, 263), (7132, 10000)]:
    low, high = wilson(k, n, z)
    # The ends are where the score test just rejects: (k/n - p)^2 = z^2 p (1 - p) / n.
    for end in (low, high):
      assert abs((k / n - end) ** 2 - z * z * end * (1 - end) / n) < 1e-14, (k, n, end)
    intervals.append({"successes": k, "trials": n, "low": round(low, 15), "high": round(high, 15)})
    print(f"wilson {k}/{n}: {low:.6f} ... {high:.6f}")

  # Percentile bootstrap of a mean from given resamples, so that no random stream has to agree; and
  # the limit of many resamples, for a test with a random stream of its own.
  values = np.round(rng.random(12), 3)
  resamples = rng.integers(0, len(values), size=(100, len(values)))
  means = values[resamples].mean(1)
  many = values[rng.integers(0, len(values), size=(1_000_000, len(values)))].mean(1)
  ends = lambda m: [round(float(q), 12) for q in np.quantile(m, [0.025, 0.975], method="linear")]
  bootstrap = {
    "confidence": 0.95, "values": values.tolist(), "mean": round(float(values.mean()), 12),
    "resamples": resamples.tolist(), "interval": ends(means),
    "quantile": "linear between order statistics: position q (B - 1) of the sorted means",
    "limit": {"resamples": len(many), "interval": [round(e, 4) for e in ends(many)],
              "standard_error": round(float(values.std() / math.sqrt(len(values))), 12)},
  }
  print("bootstrap:", bootstrap["interval"], "limit:", bootstrap["limit"])

  lines = [f' "{name}": {json.dumps(value)}' for name, value in {
    "vqa": vqa, "recall": sets, "wilson": {"z": z, "confidence": 0.95, "intervals": intervals},
    "bootstrap": bootstrap,
  }.items()]
  (FOLDER / "metrics.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
  torch.set_num_threads(1)
  FOLDER.mkdir(parents=True, exist_ok=True)
  make_layers()
  make_attention()
  make_operators()
  make_optimisers()
  make_schedules()
  make_metrics()
  size = sum(path.stat().st_size for path in FOLDER.iterdir())
  print(f"training fixtures: {size} bytes")
