"""Makes the fixtures of detection: evaluation, boxes, whole detectors.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), torchvision 0.28.0, pycocotools 2.0.11,
numpy 2.4.6.

    python Tests/Fixtures/make_detection.py

Writes Tests/Fixtures/detection/*.json beside this script. Weights and pictures are not stored: both
sides compute them from a name and an index, see `numbers`.
"""

import contextlib
import io
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

# torchvision's compiled operators need CUDA; what is used of it here is written in Python, except
# suppression, which stands here.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def nms(boxes, scores, threshold):
  order = torch.sort(scores, descending=True, stable=True).indices.tolist()
  corners = boxes.tolist()
  areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in corners]
  kept = []
  for index in order:
    x1, y1, x2, y2 = corners[index]
    for other in kept:
      width = min(x2, corners[other][2]) - max(x1, corners[other][0])
      height = min(y2, corners[other][3]) - max(y1, corners[other][1])
      shared = max(width, 0) * max(height, 0)
      if shared > threshold * (areas[index] + areas[other] - shared):
        break
    else:
      kept.append(index)
  return torch.tensor(kept, dtype=torch.int64)


library.impl("nms", nms, "CPU")

import torchvision  # noqa: E402

torchvision.ops.boxes._assert_has_ops = lambda: None
torchvision.extension._assert_has_ops = lambda: None
# Groups are kept apart one by one: the other way, far coordinates, rounds thin boxes.
torchvision.ops.boxes._batched_nms_coordinate_trick = torchvision.ops.boxes._batched_nms_vanilla

from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402
from torchvision.models.detection import FasterRCNN, _utils as detection_utils  # noqa: E402
from torchvision.models.detection.anchor_utils import AnchorGenerator  # noqa: E402
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone  # noqa: E402
from torchvision.models.detection.faster_rcnn import TwoMLPHead, fasterrcnn_resnet50_fpn  # noqa: E402
from torchvision.models.detection.image_list import ImageList  # noqa: E402
from torchvision.models.resnet import Bottleneck  # noqa: E402
from torchvision.ops import FrozenBatchNorm2d, box_iou  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "detection"
MASK = (1 << 64) - 1


def save(name, value):
  def rounded(item):
    if isinstance(item, float):
      return float(f"{item:.9g}")
    if isinstance(item, dict):
      return {str(key): rounded(entry) for key, entry in item.items()}
    if isinstance(item, (list, tuple)):
      return [rounded(entry) for entry in item]
    return item

  FOLDER.mkdir(exist_ok=True)
  text = json.dumps(rounded(value), separators=(",", ":"))
  (FOLDER / name).write_text(text.replace("},{", "},\n{") + "\n")


def numbers(name, count):
  """`count` numbers of -1 to 1 that belong to a name: SplitMix64 of its FNV-1a hash and the index."""
  seed = 0xCBF29CE484222325
  for byte in name.encode():
    seed = ((seed ^ byte) * 0x100000001B3) & MASK
  with np.errstate(over="ignore"):
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
  return (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1


def weight(name, shape):
  """A weight by its name and shape: norms near 1, products that keep the spread."""
  x = numbers(name, math.prod(shape))
  if name.endswith("running_var"):
    x = 1 + 0.5 * x
  elif len(shape) == 1 and name.endswith("weight"):
    x = 0.6 + 0.2 * x
  elif len(shape) == 1:
    x = 0.1 * x
  elif name.endswith("bbox_pred.weight"):
    x = x * math.sqrt(0.05 / math.prod(shape[1:]))
  elif name.endswith("cls_score.weight"):
    x = x * 0.2
  else:
    x = x * math.sqrt(6 / math.prod(shape[1:]))
  return torch.from_numpy(x.astype(np.float32).reshape(shape))


def fill(module):
  """Gives a module its weights, and returns their shapes by name."""
  shapes = {}
  with torch.no_grad():
    for name, tensor in module.state_dict().items():
      tensor.copy_(weight(name, tuple(tensor.shape)))
      shapes[name] = list(tensor.shape)
  return shapes


def balance(predictor, logits):
  """Moves the classes' biases so that all are as likely on average; returns them for the fixture."""
  with torch.no_grad():
    predictor.cls_score.bias -= logits.mean(0)
  return {"roi_heads.box_predictor.cls_score.bias": predictor.cls_score.bias.tolist()}


def picture(name, width, height):
  """A picture of bytes [height, width, 3] by its name: noise over blocks of 8 pixels."""
  rows, columns = (height + 7) // 8, (width + 7) // 8
  coarse = numbers(name, rows * columns * 3).reshape(rows, columns, 3)
  fine = numbers(name + "/fine", height * width * 3).reshape(height, width, 3)
  blocks = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
  return np.floor(128 + 96 * blocks + 31 * fine).astype(np.uint8)


# MARK: evaluation


def evaluation_case(seed, classes, pictures, agnostic):
  rng = np.random.default_rng(seed)

  def box(scale):
    x, y = rng.integers(0, 400, 2) / 4
    width, height = rng.integers(4, scale, 2) / 4
    return [float(x), float(y), float(width), float(height)]

  objects, detections = [], []
  for image in range(pictures):
    # Some pictures have no objects, some no detections, some classes neither.
    for _ in range(0 if image % 7 == 3 else rng.integers(0, 9)):
      bounds = box(int(rng.choice([60, 300, 1000])))
      area = bounds[2] * bounds[3]
      if rng.random() < 0.3:
        area = float(np.floor(area * rng.uniform(0.4, 1) * 4) / 4)
      objects.append({
        "image": image, "label": int(rng.integers(1, classes)), "box": bounds, "area": area,
        "crowd": bool(rng.random() < 0.15),
      })
    for _ in range(0 if image % 5 == 4 else rng.integers(0, 14 if image else 240)):
      near = [o for o in objects if o["image"] == image]
      if near and rng.random() < 0.7:
        chosen = near[int(rng.integers(0, len(near)))]
        bounds = [v + float(d) / 4 for v, d in zip(chosen["box"], rng.integers(-8, 9, 4))]
        bounds[2:] = [max(side, 1.0) for side in bounds[2:]]
        label = chosen["label"] if rng.random() < 0.8 else int(rng.integers(1, classes + 1))
      else:
        bounds, label = box(400), int(rng.integers(1, classes + 1))
      # Scores in steps of 1/16: many are equal.
      detections.append({
        "image": image, "label": label, "box": bounds, "score": float(rng.integers(1, 16)) / 16})
    if image % 4 == 1 and detections:
      detections.append(dict(detections[-1]))
  truth = COCO()
  truth.dataset = {
    "images": [{"id": image} for image in range(pictures)],
    "categories": [{"id": label} for label in range(1, classes + 1)],
    "annotations": [{
      "id": place + 1, "image_id": o["image"], "category_id": o["label"], "bbox": o["box"],
      "area": o["area"], "iscrowd": int(o["crowd"]),
    } for place, o in enumerate(objects)],
  }
  with contextlib.redirect_stdout(io.StringIO()):
    truth.createIndex()
    found = truth.loadRes([{
      "image_id": d["image"], "category_id": d["label"], "bbox": d["box"], "score": d["score"],
    } for d in detections])
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.params.useCats = 0 if agnostic else 1
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  precision = evaluation.eval["precision"]
  recall = evaluation.eval["recall"]

  def mean(values):
    values = values[values > -1]
    return float(values.mean()) if values.size else None

  stats = [None if value < 0 else float(value) for value in evaluation.stats]
  return {
    "pictures": pictures, "agnostic": agnostic, "objects": objects, "detections": detections,
    "stats": stats,
    "classes": [{
      "label": int(label), "ap": mean(precision[:, :, k, 0, -1]),
      "ap50": mean(precision[0, :, k, 0, -1]), "recall": mean(recall[:, k, 0, -1]),
    } for k, label in enumerate(evaluation.params.catIds if not agnostic else [0])],
  }


# MARK: boxes


def boxes_fixture():
  result = {"anchors": [], "codings": [], "matches": []}
  for sizes, ratios in [(((32,), (64,)), (0.5, 1.0, 2.0)), (((13, 50), (27, 111)), (0.3, 1.7))]:
    generator = AnchorGenerator(sizes, (ratios,) * len(sizes))
    maps = [torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 2, 2)]
    anchors = generator(ImageList(torch.zeros(1, 3, 50, 70), [(50, 70)]), maps)[0]
    result["anchors"].append({
      "sizes": sizes, "ratios": ratios, "anchors": anchors.flatten().tolist()})
  generator = torch.Generator().manual_seed(5)

  def draw(count):
    corner = torch.rand(count, 2, generator=generator) * 80
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 40 + 1], 1)

  for weights in [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)]:
    coder = detection_utils.BoxCoder(weights)
    boxes, others = draw(6), draw(6)
    # Three classes; the last box would grow beyond the limit.
    codes = torch.randn(6, 12, generator=generator)
    codes[5] *= 40
    result["codings"].append({
      "weights": weights, "boxes": boxes.flatten().tolist(), "others": others.flatten().tolist(),
      "encoded": coder.encode([boxes], [others])[0].flatten().tolist(),
      "codes": codes.flatten().tolist(),
      "decoded": coder.decode(codes, [others]).flatten().tolist(),
    })
  for keeps in [False, True]:
    boxes, objects = draw(60), draw(7)
    boxes[10] = boxes[3]  # Two boxes that overlap an object equally.
    boxes[20] = objects[2]
    matches = detection_utils.Matcher(0.5, 0.3, keeps)(box_iou(objects, boxes))
    result["matches"].append({
      "keeps": keeps, "boxes": boxes.flatten().tolist(), "objects": objects.flatten().tolist(),
      "matches": matches.tolist()})
  return result


# MARK: torchvision's detector

TARGETS = [
  [([4, 6, 40, 50], 1), ([30, 10, 75, 40], 3)],
  [([2, 20, 30, 90], 2), ([10, 5, 60, 60], 4), ([35, 40, 60, 90], 1)],
]
SIZES = [(80, 60), (64, 96)]


def torchvision_detector():
  backbone = resnet_fpn_backbone(
    backbone_name="resnet18", weights=None, trainable_layers=5, norm_layer=FrozenBatchNorm2d)
  model = FasterRCNN(
    backbone, min_size=224, max_size=340,
    rpn_anchor_generator=AnchorGenerator(
      ((24,), (48,), (96,), (160,), (256,)), ((0.5, 1.0, 2.0),) * 5),
    box_head=TwoMLPHead(256 * 7 * 7, 64), box_predictor=
    torchvision.models.detection.faster_rcnn.FastRCNNPredictor(64, 5),
    rpn_pre_nms_top_n_train=60, rpn_pre_nms_top_n_test=40, rpn_post_nms_top_n_train=200,
    rpn_post_nms_top_n_test=120, rpn_batch_size_per_image=100000, box_batch_size_per_image=100000,
    box_score_thresh=0.3, box_nms_thresh=0.4, box_detections_per_img=20)
  shapes = fill(model)
  images = [
    torch.from_numpy(picture(f"picture{i}", *size)).permute(2, 0, 1).float() / 255
    for i, size in enumerate(SIZES)]
  result = {"shapes": shapes, "proposals": [], "detections": []}
  model.eval()
  with torch.no_grad():
    batch, _ = model.transform(images)
    result["sizes"] = [list(size) for size in batch.image_sizes]
    features = model.backbone(batch.tensors)
    proposals, _ = model.rpn(batch, features)
    result["proposals"] = [boxes.flatten().tolist() for boxes in proposals]
    pooled = model.roi_heads.box_roi_pool(features, proposals, batch.image_sizes)
    predictor = model.roi_heads.box_predictor
    result["weights"] = balance(predictor, predictor(model.roi_heads.box_head(pooled))[0])
    for found in model(images):
      result["detections"].append({
        "boxes": found["boxes"].flatten().tolist(), "labels": found["labels"].tolist(),
        "scores": found["scores"].tolist()})
  model.train()
  losses = model(images, [{
    "boxes": torch.tensor([box for box, _ in target], dtype=torch.float32),
    "labels": torch.tensor([label for _, label in target]),
  } for target in TARGETS])
  sum(losses.values()).backward()
  result["losses"] = {name: value.item() for name, value in losses.items()}
  result["gradients"] = {}
  for name, parameter in model.named_parameters():
    if name.endswith(("layer1.0.conv1.weight", "layer4.1.conv2.weight", "conv1.weight",
                      "inner_blocks.0.0.weight", "layer_blocks.3.0.bias", "cls_logits.weight",
                      "bbox_pred.weight", "fc6.weight", "cls_score.weight")):
      gradient = parameter.grad.double().flatten()
      step = max(1, gradient.numel() // 12)
      result["gradients"][name] = {
        "norm": gradient.norm().item(), "step": step, "values": gradient[::step][:12].tolist()}
  return result


def published_names():
  model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
  return {
    name: list(tensor.shape) for name, tensor in model.state_dict().items()
    if not name.endswith("num_batches_tracked")}


# MARK: a C4 detector with attributes, written out


class CaffeBottleneck(Bottleneck):
  """The stride is in the first convolution; the second may be dilated."""

  def __init__(self, inputs, width, stride, dilation):
    shortcut = None
    if stride != 1 or inputs != 4 * width:
      shortcut = torch.nn.Sequential(
        torch.nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), FrozenBatchNorm2d(4 * width))
    super().__init__(inputs, width, 1, shortcut, norm_layer=FrozenBatchNorm2d)
    self.conv1.stride = (stride, stride)
    self.conv2.padding = self.conv2.dilation = (dilation, dilation)


class C4(torch.nn.Module):
  CLASSES, ATTRIBUTES = 6, 5
  POOLED = 7

  def __init__(self):
    super().__init__()
    body = torch.nn.Module()
    body.conv1 = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    body.bn1 = FrozenBatchNorm2d(64)
    body.layer1 = torch.nn.Sequential(CaffeBottleneck(64, 64, 1, 1))
    body.layer2 = torch.nn.Sequential(CaffeBottleneck(256, 128, 2, 1))
    body.layer3 = torch.nn.Sequential(CaffeBottleneck(512, 256, 2, 1))
    self.backbone = torch.nn.Module()
    self.backbone.body = body
    head = torch.nn.Module()
    head.conv = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Conv2d(1024, 32, 3, 1, 1)))
    head.cls_logits = torch.nn.Conv2d(32, 9, 1)
    head.bbox_pred = torch.nn.Conv2d(32, 36, 1)
    self.rpn = torch.nn.Module()
    self.rpn.head = head
    boxes = torch.nn.Module()
    boxes.layer4 = torch.nn.Sequential(CaffeBottleneck(1024, 512, 1, 2))
    predictor = torch.nn.Module()
    predictor.cls_score = torch.nn.Linear(2048, self.CLASSES + 1)
    predictor.bbox_pred = torch.nn.Linear(2048, 4 * (self.CLASSES + 1))
    predictor.cls_embedding = torch.nn.Embedding(self.CLASSES + 1, 256)
    predictor.fc_attr = torch.nn.Linear(2304, 512)
    predictor.attr_score = torch.nn.Linear(512, self.ATTRIBUTES + 1)
    self.roi_heads = torch.nn.Module()
    self.roi_heads.box_head = boxes
    self.roi_heads.box_predictor = predictor

  def features(self, x):
    body = self.backbone.body
    x = F.max_pool2d(F.relu(body.bn1(body.conv1(x))), 3, 2, 0, ceil_mode=True)
    return body.layer3(body.layer2(body.layer1(x)))

  def anchors(self, height, width):
    """Size after size, each in all ratios, centred on the corner of each cell."""
    cell = []
    for size in (24, 48, 80):
      for ratio in (0.5, 1.0, 2.0):
        side = math.sqrt(size * size / ratio)
        cell.append([-side / 2, -side * ratio / 2, side / 2, side * ratio / 2])
    cell = torch.tensor(cell)
    places = [[x, y, x, y] for y in range(0, 16 * height, 16) for x in range(0, 16 * width, 16)]
    return (torch.tensor(places, dtype=torch.float32)[:, None] + cell[None]).reshape(-1, 4)

  def proposals(self, map, width, height):
    head = self.rpn.head
    hidden = F.relu(head.conv[0][0](map))
    logits = head.cls_logits(hidden)[0].permute(1, 2, 0).flatten()
    codes = head.bbox_pred(hidden)[0].reshape(9, 4, *map.shape[2:]).permute(2, 3, 0, 1)
    boxes = detection_utils.BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(
      codes.reshape(-1, 4), self.anchors(*map.shape[2:]))
    best = logits.sort(descending=True, stable=True).indices[:50]
    boxes = boxes[best]
    boxes = torch.stack([
      boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height), boxes[:, 2].clamp(0, width),
      boxes[:, 3].clamp(0, height)], 1)
    large = ((boxes[:, 2] - boxes[:, 0]) > 0) & ((boxes[:, 3] - boxes[:, 1]) > 0)
    boxes, logits = boxes[large], logits[best][large]
    return boxes[nms(boxes, logits, 0.7)][:25]

  def pooled(self, map, boxes):
    """The largest number of each bin; bins are whole pixels and may share some."""
    channels, height, width = map.shape[1:]
    out = torch.zeros(len(boxes), channels, self.POOLED, self.POOLED)

    def spans(low, high, limit):
      start, end = (math.floor(v / 16 + 0.5) for v in (low, high))
      size = np.float32(max(end - start + 1, 1)) / np.float32(self.POOLED)
      return [(
        min(max(math.floor(np.float32(bin) * size) + start, 0), limit),
        min(max(math.ceil(np.float32(bin + 1) * size) + start, 0), limit),
      ) for bin in range(self.POOLED)]

    for k, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
      for i, (top, bottom) in enumerate(spans(y1, y2, height)):
        for j, (left, right) in enumerate(spans(x1, x2, width)):
          if bottom > top and right > left:
            out[k, :, i, j] = map[0, :, top:bottom, left:right].amax((1, 2))
    return out

  def heads(self, map, boxes):
    feature = self.roi_heads.box_head.layer4(self.pooled(map, boxes)).mean((2, 3))
    predictor = self.roi_heads.box_predictor
    return feature, predictor.cls_score(feature)

  def attributes(self, feature, labels):
    predictor = self.roi_heads.box_predictor
    both = torch.cat([feature, predictor.cls_embedding(labels)], 1)
    return predictor.attr_score(F.relu(predictor.fc_attr(both)))


def c4_detector():
  model = C4()
  shapes = fill(model)
  bytes_ = picture("c4", 112, 90)[:, :, ::-1]  # Blue first.
  pixels = torch.from_numpy(
    ((bytes_.astype(np.float32) - np.float32([103, 116, 123])) / 57).transpose(2, 0, 1)[None].copy())
  result = {"shapes": shapes}
  with torch.no_grad():
    map = model.features(pixels)
    boxes = model.proposals(map, 112, 90)
    _, logits = model.heads(map, boxes)
    result["weights"] = balance(model.roi_heads.box_predictor, logits)
    feature, logits = model.heads(map, boxes)
    probability = logits.softmax(1)
    confidence = torch.zeros(len(boxes))
    for label in range(1, model.CLASSES + 1):
      kept = nms(boxes, probability[:, label], 0.3)
      confidence[kept] = torch.maximum(confidence[kept], probability[kept, label])
    result["proposals"] = boxes.flatten().tolist()
    order = confidence.sort(descending=True, stable=True).indices
    attributes = model.attributes(feature, logits.argmax(1)).softmax(1)
    for name, chosen in [
      ("adaptive", order[:int((confidence >= 0.188).sum())]), ("few", order[:4]),
      ("exact", order[:8])]:
      result[name] = {
        "boxes": boxes[chosen].flatten().tolist(), "confidences": confidence[chosen].tolist(),
        "labels": (probability[chosen, 1:].argmax(1) + 1).tolist(),
        "scores": probability[chosen, 1:].amax(1).tolist(),
        "attributes": (attributes[chosen, 1:].argmax(1) + 1).tolist(),
        "attribute_scores": attributes[chosen, 1:].amax(1).tolist(),
        "features": feature[chosen][:, ::173].flatten().tolist(),
        "norms": feature[chosen].norm(dim=1).tolist(),
      }
  # The loss of attributes over given boxes, and gradients of it.
  map = model.features(pixels)
  given = torch.tensor([[5.0, 8, 60, 70], [40, 20, 110, 85], [10, 30, 50, 88]])
  feature, _ = model.heads(map, given)
  truth = [(2, [1, 4]), (5, []), (1, [3, 2, 5])]
  losses = []
  for row, (label, attributes) in enumerate(truth):
    logits = model.attributes(feature[row:row + 1], torch.tensor([label]))
    if attributes:
      losses.append(sum(
        F.cross_entropy(logits, torch.tensor([a])) for a in attributes) / len(attributes))
  loss = 0.5 * sum(losses) / len(losses)
  loss.backward()
  result["attribute_loss"] = {
    "boxes": given.flatten().tolist(), "labels": [label for label, _ in truth],
    "attributes": [attributes for _, attributes in truth], "loss": loss.item(),
    "gradients": {name: model.get_parameter(name).grad.norm().item() for name in [
      "roi_heads.box_predictor.cls_embedding.weight", "roi_heads.box_predictor.fc_attr.weight",
      "roi_heads.box_head.layer4.0.conv2.weight", "backbone.body.layer3.0.conv3.weight",
      "backbone.body.layer1.0.conv1.weight"]},
  }
  return result


if __name__ == "__main__":
  torch.set_num_threads(1)
  save("evaluation.json", [
    evaluation_case(1, 5, 24, False), evaluation_case(2, 3, 12, True),
    evaluation_case(3, 2, 1, False)])
  save("boxes.json", boxes_fixture())
  save("torchvision.json", torchvision_detector())
  save("published-names.json", published_names())
  save("c4.json", c4_detector())
