"""Makes the fixture of networks inside a model: features of regions, of whole pictures and of cells.

Pinned versions: those of make_vision.py, whose rules for weights and whose RoIAlign it takes.

    python Tests/Fixtures/make_picture_networks.py

Writes Tests/Fixtures/networks/networks.safetensors beside this script. Pictures are bytes, weights a
formula of their names; everything is computed in double precision, each picture by itself.

CASE.PICTURE.pixels [H, W, 3] bytes (red first), CASE.PICTURE.boxes [n, 4] over the picture's own size
CASE.size [pictures, 2] (width, height: boxes belong to a picture of that size, and its pixels are
resized from it), CASE.PICTURE.features [1 + n, F] (the whole picture first), the same under
CASE.masked.… with the region CASE.hidden of each picture dark; CASE.grad.NAME: summaries of the
gradients of Σ features · cotangent over all pictures of the case.
cells.PICTURE.pixels, cells.PICTURE.pooled.1 and .2 [cells, F]; cells.grad.NAME for pooling by 2.
"""

from pathlib import Path

import numpy as np
import torch
from make_vision import resnet, roi_align, ruled, ruled_weight, save_file, summary
from torch import nn

FOLDER = Path(__file__).resolve().parent / "networks"
IMAGENET = (1 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], False)
CAFFE = (1.0, [102.9801, 115.9465, 122.7717], [1.0, 1.0, 1.0], True)


def byte_picture(name, height, width):
    """Random bytes, smoothed so that neighbours are alike."""
    noise = ruled(name, (1, 3, height, width))
    smooth = nn.functional.avg_pool2d(noise, 5, 1, 2, count_include_pad=False) * 3
    return ((smooth.clamp(-1, 1) + 1) * 127.5).floor()[0].permute(1, 2, 0)


def normalised(pixels, colours):
    """[H, W, 3] bytes → [1, 3, H, W]; numbers are rounded to float32 as the model has them."""
    scale, mean, deviation, blue_first = colours
    x = pixels.flip(-1) if blue_first else pixels
    x = x.numpy().astype(np.float32) * np.float32(scale)
    x = (x - np.array(mean, np.float32)) / np.array(deviation, np.float32)
    return torch.from_numpy(x).double().permute(2, 0, 1)[None]


def dilate(stage):
    """A stage of basic blocks that keeps its size and spreads its kernels by 2."""
    for block in stage:
        for convolution in (block.conv1, block.conv2):
            convolution.stride, convolution.dilation, convolution.padding = (1, 1), (2, 2), (2, 2)
        if block.downsample is not None:
            block.downsample[0].stride = (1, 1)


def trunk(model, x, stages):
    x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4)[:stages]:
        x = stage(x)
    return x


def give_weights(model, ours):
    for name, tensor in model.state_dict().items():
        tensor.copy_(ruled_weight(ours(name), tuple(tensor.shape)))


def region_name(name):
    return "head.0." + name[len("layer4."):] if name.startswith("layer4.") else "backbone." + name


def in_pixels(boxes, height, width):
    x = boxes * torch.tensor([width, height, width, height])
    return torch.minimum(x.clamp(min=0), torch.tensor([width - 1.0, height - 1.0] * 2))


def region_features(model, pixels, boxes, size, hidden, colours, bins):
    """The whole picture's feature, then those of its regions."""
    height, width = pixels.shape[:2]
    x = normalised(pixels, colours)
    whole = torch.tensor([[0, 0, (size[0] - 1) / size[0], (size[1] - 1) / size[1]]])
    places = in_pixels(torch.cat([whole, boxes]).double(), height, width)
    if hidden is not None:
        x1, y1, x2, y2 = (int(v + 1e-3) for v in places[1 + hidden])
        x[:, :, y1 : y2 + 1, x1 : x2 + 1] = 0
    rows = torch.cat([torch.zeros(len(places), 1), places], 1).double()
    pooled = roi_align(trunk(model, x, 3), rows, 1 / 16, bins, bins, 1, False)
    return model.layer4(pooled).mean((2, 3))


def margin(model, run):
    """How near the numbers before a rectifier come to its edge, as a share of their spread."""
    found = []
    hooks = [
        module.register_forward_pre_hook(
            lambda _, x: found.append((x[0].abs().min() / x[0].square().mean().sqrt()).item())
        )
        for module in model.modules()
        if isinstance(module, nn.ReLU)
    ]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return min(found)


def region_case(found, name, model, colours, bins, pictures):
    """Pictures are (height, width of pixels, own size, boxes)."""
    give_weights(model, region_name)

    def drawn(number):
        return [byte_picture(f"{name}.{number}.{i}", h, w) for i, (h, w, _, _) in enumerate(pictures)]

    def run(number, hidden=None):
        return [
            region_features(model, p, torch.tensor(boxes), size, hidden, colours, bins)
            for p, (_, _, size, boxes) in zip(drawn(number), pictures)
        ]

    number = max(range(30), key=lambda n: margin(model, lambda: run(n)))
    print(f"{name}: pictures {number}, {margin(model, lambda: run(number)):.1e} from an edge")
    found[f"{name}.size"] = np.array([size for _, _, size, _ in pictures], np.int64)
    found[f"{name}.hidden"] = np.array([1], np.int64)
    features = run(number)
    masked = run(number, hidden=1)
    for i, (pixels, (_, _, _, boxes)) in enumerate(zip(drawn(number), pictures)):
        found[f"{name}.{i}.pixels"] = pixels.numpy().astype(np.uint8)
        found[f"{name}.{i}.boxes"] = np.array(boxes, np.float32)
        found[f"{name}.{i}.features"] = features[i].detach().float().numpy()
        found[f"{name}.masked.{i}.features"] = masked[i].detach().float().numpy()
    total = sum(
        (f * ruled(f"{name}.cotangent.{i}", tuple(f.shape))).sum() for i, f in enumerate(features)
    )
    total.backward()
    for key, parameter in model.named_parameters():
        found[f"{name}.grad.{region_name(key)}"] = summary(parameter.grad).float().numpy()


def cell_case(found, name, model, colours, sizes):
    give_weights(model, lambda key: "backbone." + key)

    def drawn(number):
        return [byte_picture(f"{name}.{number}.{i}", h, w) for i, (h, w) in enumerate(sizes)]

    def run(number, pooling):
        maps = [trunk(model, normalised(p, colours), 4) for p in drawn(number)]
        pooled = [nn.functional.max_pool2d(m, pooling) for m in maps]
        return [m[0].permute(1, 2, 0).flatten(0, 1) for m in pooled]

    number = max(range(30), key=lambda n: margin(model, lambda: run(n, 2)))
    print(f"{name}: pictures {number}, {margin(model, lambda: run(number, 2)):.1e} from an edge")
    for pooling in (1, 2):
        cells = run(number, pooling)
        for i, rows in enumerate(cells):
            found[f"{name}.{i}.pooled.{pooling}"] = rows.detach().float().numpy()
    for i, pixels in enumerate(drawn(number)):
        found[f"{name}.{i}.pixels"] = pixels.numpy().astype(np.uint8)
    total = sum((c * ruled(f"{name}.cotangent.{i}", tuple(c.shape))).sum() for i, c in enumerate(cells))
    total.backward()
    for key, parameter in model.named_parameters():
        found[f"{name}.grad.backbone.{key}"] = summary(parameter.grad).float().numpy()


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(0)
    found = {}
    tiny = resnet([1, 1, 1, 1], False)
    dilate(tiny.layer4)
    region_case(
        found, "regions", tiny, IMAGENET, 4,
        [
            (38, 45, (90, 76), [[0.1, 0.2, 0.6, 0.7], [0.5, 0.4, 0.9, 0.95], [0.05, 0.75, 0.3, 1.0]]),
            (45, 38, (38, 45), [[0.0, 0.0, 1.0, 0.5], [0.3, 0.3, 0.35, 0.33]]),
        ],
    )
    region_case(
        found, "caffe", resnet([3, 4, 6, 3], True, stride_first=True, dilated=True), CAFFE, 3,
        [(40, 48, (96, 80), [[0.2, 0.1, 0.8, 0.7], [0.4, 0.5, 1.0, 1.0]])],
    )
    cell_case(found, "cells", resnet([1, 1, 1, 1], False), IMAGENET, [(70, 100), (97, 66)])
    save_file(found, FOLDER / "networks.safetensors")


if __name__ == "__main__":
    main()
