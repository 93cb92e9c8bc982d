"""The reference of the speed comparison: Hugging Face transformers on PyTorch, as its users run it.

A worker as worker.py describes it; what it computes for the check has dropout off. On a GPU the
model, the inputs and the optimizer lie in the GPU's memory before the clock starts.
"""

import sys
import traceback

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from torch import nn
from transformers import BertConfig, ViltConfig, ViltForMaskedLM, ViltModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.bert.modeling_bert import BertEncoder, BertPreTrainedModel

import worker
from prepare import CLS, LAYER_PLACES, SEP

IGNORED = -100  # the label of a place without a hidden word
IPOT_ITERATIONS, IPOT_BETA = 50, 0.5
WPA_WEIGHT = 0.1


# The inputs. They are made in memory; a case moves them to its device.


def pixel_values(pixels):
    """Bytes [B, H, W, 3] as the floats [B, 3, H, W] that the model takes."""
    return ((pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5).contiguous()


def text_inputs(words, lengths):
    """[CLS] words [SEP] padded with 0 to all 40 places, and the mask of the places in use."""
    batch, places = words.shape[0], words.shape[1] + 2
    tokens = F.pad(words, (1, 1))
    tokens[:, 0] = CLS
    tokens[torch.arange(batch), lengths + 1] = SEP
    return {
        "input_ids": tokens,
        "attention_mask": (torch.arange(places) < lengths[:, None] + 2).long(),
    }


def mlm_inputs(inputs):
    """The texts with hidden words, their pictures, and the labels of the hidden words."""
    sequence, place, label = inputs["masked"].unbind(1)
    texts = text_inputs(inputs["masked_words"], inputs["lengths"])
    labels = torch.full_like(texts["input_ids"], IGNORED)
    labels[sequence, place + 1] = label
    return {**texts, "pixel_values": pixel_values(inputs["pixels"]), "labels": labels}


# Word-patch alignment, as the published ViLT computes it


@torch.no_grad()
def transport_plan(cost, text_pad, patch_pad):
    """IPOT: the plan [B, patches, words] of a cost [B, words, patches]; pads are true where there
    is nothing to align."""
    pad = (text_pad[:, :, None] | patch_pad[:, None, :]).transpose(1, 2)
    kernel = torch.exp(-cost.transpose(1, 2) / IPOT_BETA).masked_fill(pad, 0)
    plan = torch.ones_like(kernel).masked_fill(pad, 0)
    words = (~text_pad).sum(1).float()[:, None, None]
    patches = (~patch_pad).sum(1).float()[:, None, None]
    text_guard = 1e4 * text_pad.float()[:, None, :]
    patch_guard = 1e4 * patch_pad.float()[:, :, None]
    sigma = (1 / words).expand(-1, 1, cost.shape[1]).masked_fill(text_pad[:, None, :], 0)
    for _ in range(IPOT_ITERATIONS):
        q = kernel * plan
        delta = 1 / (patches * (q @ sigma.transpose(1, 2)) + patch_guard)
        sigma = 1 / (words * (delta.transpose(1, 2) @ q) + text_guard)
        plan = delta * q * sigma
    return plan.masked_fill(pad, 0)


def alignment_distances(text, patches, text_pad, patch_pad):
    """The transport distance [B] of words [B, M, D] and patches [B, N, D]; the gradient goes
    through the cost only."""
    text = F.normalize(text.float(), dim=-1, eps=1e-5)
    patches = F.normalize(patches.float(), dim=-1, eps=1e-5)
    cost = 1 - text @ patches.transpose(1, 2)
    cost = cost.masked_fill(text_pad[:, :, None] | patch_pad[:, None, :], 0)
    plan = transport_plan(cost.detach(), text_pad, patch_pad)
    return (cost * plan.transpose(1, 2)).sum((1, 2))


def alignment_loss(text, patches, attention_mask, match):
    """Mean over the batch of the distance, negative where text and picture do not match. [CLS],
    [SEP], pads and the picture's class token take no part. The order of the patches, which the
    model shuffles, does not change the distance: none of them is a pad."""
    device = attention_mask.device
    places = torch.arange(attention_mask.shape[1], device=device)
    last = attention_mask.sum(1, keepdim=True) - 1
    text_pad = (places == 0) | (places >= last)
    patch_pad = torch.zeros(patches.shape[:2], dtype=torch.bool, device=device)
    patch_pad[:, 0] = True
    with torch.autocast(device.type, enabled=False):
        distances = alignment_distances(text, patches, text_pad, patch_pad)
    return torch.where(match == 1, distances, -distances).sum() / len(match)


# The cases. Each computes a check with dropout off, and does one timed run with what is in memory.


class Case(worker.Case):
    ways = ["eager"]  # the attentions that the model supports
    compiled = False

    def __init__(self, precision, device):
        self.precision, self.device = precision, device

    def autocast(self):
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    def moved(self, inputs):
        """Inputs by name, on the device."""
        return {name: value.to(self.device) for name, value in inputs.items()}

    def compute(self):
        """The forward pass of a run."""
        raise NotImplementedError

    def compile(self):
        """From now on runs use what torch.compile makes of the forward pass and its backward."""
        self.compute = torch.compile(self.compute)
        self.compiled = True

    @property
    def compilations(self):
        if not self.compiled:
            return 0  # without loading the compiler, which takes memory
        return torch._dynamo.utils.counters["stats"]["unique_graphs"]

    def finish(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def forget_peak(self):
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        else:
            super().forget_peak()

    def device_peaks(self):
        if self.device.type != "cuda":
            return {}
        return {
            "peakDeviceMegabytes": torch.cuda.max_memory_allocated() / 2**20,
            "peakDeviceReservedMegabytes": torch.cuda.max_memory_reserved() / 2**20,
        }


class Inference(Case):
    """The pooled output of pairs."""

    def __init__(self, work, batch, precision, device):
        super().__init__(precision, device)
        inputs = load_file(work / f"inference-{batch}.safetensors")
        self.model = ViltModel.from_pretrained(work / "vilt").eval().to(device)
        texts = text_inputs(inputs["words"], inputs["lengths"])
        self.inputs = self.moved({**texts, "pixel_values": pixel_values(inputs["pixels"])})

    def check(self):
        return self.run().float().flatten().tolist()

    def compute(self):
        return self.model(**self.inputs).pooler_output

    def run(self):
        with torch.inference_mode(), self.autocast():
            return self.compute()


class Training(Case):
    """A training step: losses, backward, fused AdamW."""

    def __init__(self, modules, precision, device):
        super().__init__(precision, device)
        self.modules = nn.ModuleList(modules).train().to(device)
        self.optimizer = torch.optim.AdamW(self.modules.parameters(), lr=1e-5, fused=True)

    def losses(self):
        """Pairs of a loss and its weight."""
        raise NotImplementedError

    def compute(self):
        return sum(weight * loss for loss, weight in self.losses())

    def check(self):
        self.modules.eval()
        with torch.no_grad(), self.autocast():
            values = [loss.item() for loss, _ in self.losses()]
        self.modules.train()
        return values

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.compute()
        loss.backward()
        self.optimizer.step()


def load_vilt(work):
    model = ViltForMaskedLM.from_pretrained(work / "vilt")
    words = model.get_input_embeddings().weight
    assert model.mlm_score.decoder.weight is not words, "the decoder has weights of its own"
    return model


class MaskedLanguage(Training):
    """A training step of masked language modelling, with the library's own loss."""

    def __init__(self, work, batch, precision, device):
        self.model = load_vilt(work)
        super().__init__([self.model], precision, device)
        self.inputs = self.moved(mlm_inputs(load_file(work / f"mlm-{batch}.safetensors")))

    def losses(self):
        return [(self.model(**self.inputs).loss, 1)]


class PreTraining(Training):
    """A full pre-training step in two passes: hidden words with the true pictures; then clean texts
    with a true picture or another's, for matching and for word-patch alignment."""

    def __init__(self, work, batch, precision, device):
        self.model = load_vilt(work)
        heads = load_file(work / "vilt" / "heads.safetensors")
        self.matching = nn.Linear(*reversed(heads["itm_score.fc.weight"].shape))
        self.matching.load_state_dict(
            {name.removeprefix("itm_score.fc."): value for name, value in heads.items()}
        )
        super().__init__([self.model, self.matching], precision, device)
        inputs = load_file(work / f"pretrain-{batch}.safetensors")
        masked = mlm_inputs(inputs)
        clean = text_inputs(inputs["words"], inputs["lengths"])
        clean["pixel_values"] = masked["pixel_values"][inputs["picture"]]
        self.masked, self.clean = self.moved(masked), self.moved(clean)
        self.match = inputs["match"].to(device)

    def losses(self):
        mlm = self.model(**self.masked).loss
        output = self.model.vilt(**self.clean)
        itm = F.cross_entropy(self.matching(output.pooler_output).float(), self.match)
        mask = self.clean["attention_mask"]
        text, patches = output.last_hidden_state.tensor_split([mask.shape[1]], dim=1)
        wpa = alignment_loss(text, patches, mask, self.match)
        return [(mlm, 1), (itm, 1), (wpa, WPA_WEIGHT)]


class Layers(Case):
    """Forward and backward of post-norm BERT layers, with attention dropout, no optimizer."""

    ways = ["eager"] + ["sdpa"] * BertPreTrainedModel._supports_sdpa

    def __init__(self, work, batch, precision, device):
        super().__init__(precision, device)
        self.config = BertConfig.from_pretrained(work / "bert", attn_implementation="eager")
        self.encoder = BertEncoder(self.config)
        self.encoder.load_state_dict(load_file(work / "bert" / "layers.safetensors"))
        self.encoder.to(device)
        inputs = load_file(work / f"layers-{batch}.safetensors")
        lengths = inputs["lengths"]
        real = torch.arange(LAYER_PLACES) < lengths[:, None]
        rows = torch.zeros(*real.shape, inputs["rows"].shape[1])
        rows[real] = inputs["rows"]
        self.rows = rows.to(device).requires_grad_()
        self.mask = real.long().to(device)
        # The places in use as numbers: a GPU would have to stop to count those of a mask.
        self.places = tuple(place.to(device) for place in real.nonzero(as_tuple=True))

    def use(self, attention):
        self.config._attn_implementation = attention

    def forward(self):
        mask = create_bidirectional_mask(self.config, self.rows, self.mask)
        return self.encoder(self.rows, attention_mask=mask).last_hidden_state

    def compute(self):
        used = self.forward()[self.places]
        return used.float().square().sum() / len(used)

    def check(self):
        self.encoder.eval()
        with torch.no_grad(), self.autocast():
            values = self.forward()[0, 0].float().tolist()
        self.encoder.train()
        return values

    def run(self):
        self.encoder.zero_grad(set_to_none=True)
        self.rows.grad = None
        with self.autocast():
            loss = self.compute()
        loss.backward()


CASES = {
    "inference": Inference,
    "mlm": MaskedLanguage,
    "pretrain": PreTraining,
    "layers": Layers,
}


def choose_attention(case, wanted):
    """Uses the attention asked for, or the fastest of those the model supports."""
    if wanted not in ("best", *case.ways):
        sys.exit(f"reference: this model has {' and '.join(case.ways)} attention only")
    if len(case.ways) == 1:
        return case.ways[0]
    if wanted == "best":
        return worker.use_fastest(case)
    case.use(wanted)
    return wanted


def start_device(name):
    """The device, ready for use."""
    if name == "cuda":
        if not torch.cuda.is_available():
            sys.exit("reference: this torch finds no GPU")
        # Float32 stays float32: PyTorch leaves TF32 off in matrix products ("highest"), but not in
        # convolutions, and the picture's patches go through one.
        torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def versions(device):
    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    if device.type == "cuda":
        found["CUDA"] = torch.version.cuda
        found["float32 products"] = torch.get_float32_matmul_precision()
        found["float32 convolutions"] = "without TF32"
    return found


def reason(error):
    """The line of an error of the compiler that says most."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("backend=")]
    return lines[0] if lines else type(error).__name__


def main():
    parser = worker.parser(CASES)
    parser.add_argument("--attention", choices=["best", "eager", "sdpa"], default="best")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="runs go through torch.compile")
    options = parser.parse_args()

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = start_device(options.device)
    case = CASES[options.case](options.work, options.batch, options.precision, device)
    worker.write_check(case, options.check)
    found = versions(device)
    if options.compile:
        case.compile()
    try:
        found["attention"] = choose_attention(case, options.attention)
        if options.compile:
            worker.warm_up(case)
            case.forget_peak()  # what compiling took does not count
    except Exception as error:
        if not options.compile:
            raise
        traceback.print_exc()
        worker.answer({"unavailable": f"not compiled: {reason(error)}"})
        return
    worker.serve(case, found)


if __name__ == "__main__":
    main()
