"""How many texts a second PyTorch's `transformers` embeds, next to llasta-rag in the same minutes.

    python embed_speed.py FOLDER [--threads 2] [--rounds 3] [--batches 1 8 32] [--rust PROGRAM]
    python embed_speed.py --make-bge-m3 FOLDER --tokenizer tokenizer.json

PROGRAM is `embed_speed` of llasta-rag's examples, built with `--release --features candle`. Rounds of
both alternate, because other work on the machine slows both: only the ratio of the medians counts.

The second form writes a checkpoint of bge-m3's shape (24 layers, 1,024 wide) with random weights:
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

TOKENS = 128
BATCHES = [1, 8, 32]


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


@torch.inference_mode()
def median(model, batch, cls):
    ids = torch.randint(10, 500, (batch, TOKENS))
    mask = torch.ones_like(ids)

    def run():
        hidden = model(ids, attention_mask=mask).last_hidden_state
        pooled = hidden[:, 0] if cls else hidden.mean(1)
        return torch.nn.functional.normalize(pooled, dim=-1)

    run()
    begun, times = time.perf_counter(), []
    while len(times) < 3 or time.perf_counter() - begun < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def rust(program, folder, threads, batches):
    out = subprocess.run(
        [program, str(folder), str(threads), "f32", *map(str, batches)], check=True, capture_output=True, text=True
    ).stdout
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines()[2:]]
    return {int(row[0]): float(row[1]) for row in rows}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--rust")
    parser.add_argument("--make-bge-m3", action="store_true")
    parser.add_argument("--tokenizer", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.make_bge_m3:
        make(arguments.folder, arguments.tokenizer)
        return
    torch.set_num_threads(arguments.threads)
    config = AutoConfig.from_pretrained(arguments.folder)
    model = AutoModel.from_pretrained(arguments.folder, dtype=torch.float32).eval()
    cls = config.model_type != "bert"
    theirs = {batch: [] for batch in arguments.batches}
    ours = {batch: [] for batch in arguments.batches}
    for _ in range(arguments.rounds):
        for batch in arguments.batches:
            theirs[batch].append(median(model, batch, cls))
        if arguments.rust:
            for batch, time_of in rust(
                arguments.rust, arguments.folder, arguments.threads, arguments.batches
            ).items():
                ours[batch].append(time_of)
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, {TOKENS} tokens, medians of {arguments.rounds} rounds\n")
    print("| batch | PyTorch ms | texts per second | llasta ms | texts per second | llasta / PyTorch |")
    print("|---:|---:|---:|---:|---:|---:|")
    for batch in arguments.batches:
        their = statistics.median(theirs[batch])
        row = [f"{batch}", f"{their:.1f}", f"{batch * 1000 / their:.1f}"]
        if ours[batch]:
            our = statistics.median(ours[batch])
            row += [f"{our:.1f}", f"{batch * 1000 / our:.1f}", f"{their / our:.2f}"]
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
