"""How many texts a second PyTorch embeds, next to llasta-rag in the same minutes.

    python embed_speed.py FOLDER [--threads 2] [--rounds 3] [--tokens 128] [--batches 1 8 32] [--rust PROGRAM]
    python embed_speed.py FOLDER --device cuda:0 [--dtype f16] [--peak TFLOPS] [--rust PROGRAM]
    python embed_speed.py --make-bge-m3 FOLDER --tokenizer tokenizer.json

PROGRAM is `embed_speed` of llasta-rag's examples, built with `--release --features candle`, or `--features
cuda` for a GPU. Rounds of both alternate, because other work on the machine slows both: only the ratio of
the medians counts.

On the CPU the other side is `transformers` with token ids as its input. On a GPU it is
`sentence-transformers` with texts, as PyTorch computes attention best there; both tokenize. It prints the
floating-point operations per second of both, and their share of what the card's matrix units can do, which
is known of some cards and else given with `--peak`.

The third form writes a checkpoint of bge-m3's shape (24 layers, 1,024 wide) with random weights:
speed does not depend on what the weights are. Its tokenizer is the one given, whose ids must be below
250,002.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import time

import torch
from transformers import AutoConfig, AutoModel

# What the makers say of half precision with sums in f32, dense, in 10^12 operations a second. The first
# name that the card's has in it counts.
PEAKS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "GH200": 989,
    "A100": 312,
    "A10G": 70,
    "A10": 125,
    "L40S": 362,
    "L4": 121,
}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def make(folder, tokenizer):
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=250002,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=8194,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    model = XLMRobertaModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)
    shutil.copy(tokenizer, folder / "tokenizer.json")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))


def repeated(run):
    """The median of three seconds, in milliseconds."""
    run()
    begun, times = time.perf_counter(), []
    while len(times) < 3 or time.perf_counter() - begun < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


class OnCpu:
    """`transformers` with token ids."""

    def __init__(self, arguments):
        torch.set_num_threads(arguments.threads)
        self.cls = AutoConfig.from_pretrained(arguments.folder).model_type != "bert"
        self.model = AutoModel.from_pretrained(arguments.folder, dtype=DTYPES[arguments.dtype]).eval()
        self.name = f"PyTorch {torch.__version__}, {arguments.threads} threads"

    @torch.inference_mode()
    def median(self, tokens, batch):
        ids = torch.randint(10, 500, (batch, tokens))
        mask = torch.ones_like(ids)

        def run():
            hidden = self.model(ids, attention_mask=mask).last_hidden_state
            pooled = hidden[:, 0] if self.cls else hidden.mean(1)
            return torch.nn.functional.normalize(pooled, dim=-1)

        return repeated(run)


class OnGpu:
    """`sentence-transformers` with texts."""

    def __init__(self, arguments):
        import sentence_transformers

        self.model = sentence_transformers.SentenceTransformer(
            str(arguments.folder), device=arguments.device, model_kwargs={"dtype": DTYPES[arguments.dtype]}
        ).eval()
        card = torch.cuda.get_device_name(arguments.device)
        self.name = (
            f"PyTorch {torch.__version__}, sentence-transformers {sentence_transformers.__version__}, "
            f"{arguments.dtype} on {card}"
        )
        self.card = card

    def text(self, tokens):
        """A text of so many tokens, with those that the model adds."""
        count = lambda text: len(self.model.tokenizer(text)["input_ids"])
        text = " one" * (tokens - 2)
        while count(text) > tokens:
            text = text[: -len(" one")]
        while count(text) < tokens:
            text += " one"
        if count(text) != tokens:
            raise SystemExit(f"no text of exactly {tokens} tokens was found")
        return text

    def median(self, tokens, batch):
        texts = [self.text(tokens)] * batch
        # As many at a time as go into a pass of ours, or fewer where the memory ends.
        size = max(1, min(batch, 131_072 // tokens))
        while True:
            try:
                return repeated(lambda: self.model.encode(texts, batch_size=size, normalize_embeddings=True))
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                size //= 2
                if size == 0:
                    raise


def operations(folder, tokens):
    """Of one text's matrix products, as `embed_speed.rs` counts them."""
    config = AutoConfig.from_pretrained(folder)
    token = 4 * config.hidden_size + 2 * config.intermediate_size + 2 * tokens
    return 2 * config.num_hidden_layers * config.hidden_size * tokens * token


def rust(arguments, tokens):
    command = [arguments.rust, str(arguments.folder), "--dtype", arguments.dtype, "--tokens", str(tokens)]
    command += ["--threads", str(arguments.threads)] if arguments.device == "cpu" else ["--device", arguments.device]
    for batch in arguments.batches:
        command += ["--batch", str(batch)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines()[2:]]
    return {int(row[1]): float(row[2]) for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, nargs="+")
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--peak", type=float)
    parser.add_argument("--rust")
    parser.add_argument("--make-bge-m3", action="store_true")
    parser.add_argument("--tokenizer", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.make_bge_m3:
        make(arguments.folder, arguments.tokenizer)
        return
    gpu = arguments.device != "cpu"
    arguments.dtype = arguments.dtype or ("f16" if gpu else "f32")
    arguments.tokens = arguments.tokens or ([128, 512, 8192] if gpu else [128])
    arguments.batches = arguments.batches or ([1, 32, 256] if gpu else [1, 8, 32])
    side = OnGpu(arguments) if gpu else OnCpu(arguments)
    peak = arguments.peak
    if gpu and peak is None:
        peak = next((peak for name, peak in PEAKS.items() if name in side.card), None)
    theirs = {(tokens, batch): [] for tokens in arguments.tokens for batch in arguments.batches}
    ours = {key: [] for key in theirs}
    for _ in range(arguments.rounds):
        for tokens in arguments.tokens:
            for batch in arguments.batches:
                theirs[tokens, batch].append(side.median(tokens, batch))
            if arguments.rust:
                if gpu:
                    torch.cuda.empty_cache()
                for batch, time_of in rust(arguments, tokens).items():
                    ours[tokens, batch].append(time_of)
    of = f"; the card can do {peak} TFLOP/s" if peak else ""
    print(f"{side.name}, medians of {arguments.rounds} rounds{of}\n")
    head = ["tokens", "batch"]
    for name in ["PyTorch", "llasta"] if arguments.rust else ["PyTorch"]:
        head += [f"{name} ms", "texts per second", "TFLOP/s", "of peak"]
    print("| " + " | ".join(head + ["llasta / PyTorch"] * bool(arguments.rust)) + " |")
    print("|---:" * (len(head) + bool(arguments.rust)) + "|")
    for (tokens, batch), times in theirs.items():
        row = [f"{tokens}", f"{batch}"]
        medians = [statistics.median(each) for each in (times, ours[tokens, batch]) if each]
        for milliseconds in medians:
            rate = batch * 1000 / milliseconds
            tera = operations(arguments.folder, tokens) * rate / 1e12
            row += [f"{milliseconds:.1f}", f"{rate:.1f}", f"{tera:.2f}", f"{tera / peak:.1%}" if peak else "-"]
        if len(medians) == 2:
            row.append(f"{medians[0] / medians[1]:.2f}")
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
