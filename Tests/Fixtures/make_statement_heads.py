"""Numbers of heads that judge statements about two pictures (NLVR2), and of UNITER's head of choices
(VCR), for TandemModelsTests.

Python 3.11, torch 2.13.0: python3 make_statement_heads.py
Writes statements/statements.safetensors beside it. UNITER's paired attention is written from its
equations over torch.nn.MultiheadAttention with padded rows and key masks, in float64.
"""

import os

import torch
from safetensors.torch import save_file

WIDTH, HEADS = 24, 4
# Text rows and regions of each sequence: statement 0 with its two pictures, then statement 1.
LENGTHS = [(5, 3), (5, 4), (7, 2), (7, 6)]


def random(*shape, scale=1.0):
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64) * scale


GENERATOR = torch.Generator().manual_seed(5)


def attention(weights, name):
    module = torch.nn.MultiheadAttention(WIDTH, HEADS, dtype=torch.float64)
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(random(*parameter.shape, scale=0.3))
    for key, parameter in module.named_parameters():
        weights[f"{name}.{key}"] = parameter
    return module.eval()


def paired(rows, weights, first, second, relu_pool=True, masked=True):
    """rows: one [T, D] for each sequence, first and second of each statement in turn."""
    def padded(parts):
        longest = max(len(part) for part in parts)
        values = torch.zeros(len(parts), longest, WIDTH, dtype=torch.float64)
        mask = torch.ones(len(parts), longest, dtype=torch.bool)
        lines = []
        for place, part in enumerate(parts):
            lines.append(torch.cat([part, torch.zeros(longest - len(part), WIDTH, dtype=torch.float64)]))
            mask[place, : len(part)] = False
        return torch.stack(lines), mask

    (left, left_mask), (right, right_mask) = padded(rows[0::2]), padded(rows[1::2])
    across = left.transpose(0, 1), right.transpose(0, 1)
    told_left, _ = first(across[0], across[1], across[1], key_padding_mask=right_mask)
    told_right, _ = second(across[1], across[0], across[0], key_padding_mask=left_mask)

    def pooled(told, own, mask):
        joint = torch.cat([told.transpose(0, 1), own], -1) @ weights["fc.0.weight"].T + weights["fc.0.bias"]
        joint = joint.relu()
        score = (joint @ weights["attn_pool.fc.0.weight"].T + weights["attn_pool.fc.0.bias"]).squeeze(-1)
        if relu_pool:
            score = score.relu()
        if masked:
            score = score - 1e4 * mask.double()
        return (score.softmax(1).unsqueeze(1) @ joint).squeeze(1)

    both = torch.cat([pooled(told_left, left, left_mask), pooled(told_right, right, right_mask)], -1)
    return both @ weights["nlvr2_output.weight"].T + weights["nlvr2_output.bias"]


def joined(pooled, weights, norm_first):
    both = torch.cat([pooled[0::2], pooled[1::2]], -1)
    x = both @ weights["joined.0.weight"].T + weights["joined.0.bias"]
    norm = lambda x: torch.nn.functional.layer_norm(
        x, x.shape[-1:], weights["joined.norm.weight"], weights["joined.norm.bias"], 1e-5)
    gelu = torch.nn.functional.gelu
    x = gelu(norm(x)) if norm_first else norm(gelu(x))
    return x @ weights["joined.3.weight"].T + weights["joined.3.bias"]


def choices(pooled, weights, activation):
    """Linear, activation, norm, linear."""
    x = activation(pooled @ weights["choices.0.weight"].T + weights["choices.0.bias"])
    x = torch.nn.functional.layer_norm(
        x, x.shape[-1:], weights["choices.2.weight"], weights["choices.2.bias"], 1e-12)
    return x @ weights["choices.3.weight"].T + weights["choices.3.bias"]


def main():
    weights = {}
    first, second = attention(weights, "attn1"), attention(weights, "attn2")
    for name, shape in [
        ("fc.0.weight", (WIDTH, 2 * WIDTH)), ("fc.0.bias", (WIDTH,)),
        ("attn_pool.fc.0.weight", (1, WIDTH)), ("attn_pool.fc.0.bias", (1,)),
        ("nlvr2_output.weight", (2, 2 * WIDTH)), ("nlvr2_output.bias", (2,)),
        ("joined.0.weight", (2 * WIDTH, 2 * WIDTH)), ("joined.0.bias", (2 * WIDTH,)),
        ("joined.norm.weight", (2 * WIDTH,)), ("joined.norm.bias", (2 * WIDTH,)),
        ("joined.3.weight", (2, 2 * WIDTH)), ("joined.3.bias", (2,)),
        ("choices.0.weight", (2 * WIDTH, WIDTH)), ("choices.0.bias", (2 * WIDTH,)),
        ("choices.2.weight", (2 * WIDTH,)), ("choices.2.bias", (2 * WIDTH,)),
        ("choices.3.weight", (2, 2 * WIDTH)), ("choices.3.bias", (2,)),
    ]:
        weights[name] = random(*shape, scale=0.4).requires_grad_()
    rows = [random(words + regions, WIDTH).requires_grad_() for words, regions in LENGTHS]
    pooled = random(4, WIDTH)
    logits = paired(rows, weights, first, second)
    logits.sum().sub(2 * logits[0, 0]).backward()
    out = {
        "lengths": torch.tensor(LENGTHS), "pooled": pooled,
        "paired.logits": logits.detach(),
        "paired.wrong.without_relu": paired(rows, weights, first, second, relu_pool=False).detach(),
        "paired.wrong.attention_swapped": paired(rows, weights, second, first).detach(),
        "paired.wrong.pads_pooled": paired(rows, weights, first, second, masked=False).detach(),
        "joined.norm_first": joined(pooled, weights, True).detach(),
        "joined.gelu_first": joined(pooled, weights, False).detach(),
        "choices.logits": choices(pooled, weights, torch.relu).detach(),
        "choices.wrong.gelu": choices(pooled, weights, torch.nn.functional.gelu).detach(),
    }
    for place, part in enumerate(rows):
        out[f"rows.{place}"] = part.detach()
        out[f"gradient.rows.{place}"] = part.grad
    for name, weight in weights.items():
        out[f"weight.{name}"] = weight.detach()
        if not name.startswith(("joined.", "choices.")):
            out[f"gradient.{name}"] = weight.grad
    floats = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in out.items()
    }
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "statements")
    os.makedirs(folder, exist_ok=True)
    save_file(floats, os.path.join(folder, "statements.safetensors"))


if __name__ == "__main__":
    main()
