"""Searches per second of FAISS's indexes on a GPU, through this crate and through Python's own faiss.

    python benches/gpu/run.py --device cuda:0                            # 1 and 10 million vectors
    python benches/gpu/run.py --device cpu --vectors 20000               # the same steps without a GPU

`bash benches/gpu/run` sets everything up and starts it. It builds and starts the example `gpu_index_speed`, runs
Python's faiss on the same vectors in a process of its own, and prints one table. Ten million vectors of 1,024
dimensions take 41 GB on the GPU, half with --half, up to 110 GB of memory beside it, and 41 GB of disk. Python needs
numpy and a faiss: faiss-gpu-cu12 on a GPU, faiss-cpu else; without it the table has this crate's rows only, and says
so.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHUNK = 16_384

# Bytes per second of a card's memory, by what its driver calls it, as NVIDIA's data sheets have it. The first
# that fits counts.
PEAKS = [
    ("B200", 8.0e12),
    ("H200", 4.8e12),
    ("H100 NVL", 3.9e12),
    ("H100 PCIe", 2.0e12),
    ("H100", 3.35e12),
    ("A100-SXM4-80GB", 2.039e12),
    ("A100 80GB PCIe", 1.935e12),
    ("A100", 1.555e12),
    ("L40S", 0.864e12),
    ("L4", 0.3e12),
    ("A10", 0.6e12),
]


def peak_of(card, given):
    """Bytes per second, or None where nobody knows."""
    if given:
        return given * 1e9
    return next((peak for name, peak in PEAKS if name in (card or "")), None)


def share(row, peak):
    """Of the memory's peak: a flat search reads every vector once per call, at least."""
    if not peak or row["kind"] != "Flat":
        return None
    width = 2 if row["half"] else 4
    moved = row["vectors"] * row["dimension"] * width
    return moved / (row["milliseconds"] / 1e3) / peak


# ---------------------------------------------------------------------------------------------
# The same vectors, in numpy.


def rows(numpy, arguments, first, count):
    """Around centres, one for every 200 vectors, as the example makes them."""
    dimension, centres = arguments.dimension, max(1, arguments.vectors // 200)

    def mixed(x):
        x = x * numpy.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> numpy.uint64(32))) * numpy.uint64(0xBF58476D1CE4E5B9)
        return x ^ (x >> numpy.uint64(29))

    def unit(x):
        return (mixed(x) >> numpy.uint64(40)).astype(numpy.float32) / numpy.float32(1 << 23) - numpy.float32(1)

    number = numpy.arange(first, first + count, dtype=numpy.uint64)
    places = numpy.arange(dimension, dtype=numpy.uint64)
    wide = numpy.uint64(dimension)
    centre = mixed(number) % numpy.uint64(centres)
    made = unit((numpy.uint64(1 << 60) + centre * wide)[:, None] + places) + unit((number * wide)[:, None] + places)
    return made / numpy.linalg.norm(made, axis=1, keepdims=True)


def chunks(numpy, arguments):
    for first in range(0, arguments.vectors, CHUNK):
        yield first, rows(numpy, arguments, first, min(CHUNK, arguments.vectors - first))


# ---------------------------------------------------------------------------------------------
# Python's faiss, in a process of its own: CUDA keeps its memory until the process ends.


def python_side(arguments):
    import faiss
    import numpy

    numbers = [int(number) for number in arguments.device.removeprefix("cuda:").split(",") if number.isdigit()]
    on_gpu = arguments.device != "cpu"
    if on_gpu and not hasattr(faiss, "StandardGpuResources"):
        raise SystemExit("this faiss has no GPUs: install faiss-gpu-cu12")
    if on_gpu and len(numbers) != 1:
        raise SystemExit("the comparison is made on one GPU")
    faiss.omp_set_num_threads(1)
    batches, kinds = arguments.batches, arguments.kinds
    queries = rows(numpy, arguments, 1 << 40, max(*batches, arguments.judged))
    judged = queries[: arguments.judged]

    everything = numpy.empty((arguments.vectors, arguments.dimension), numpy.float32)
    scores = numpy.empty((len(judged), 0), numpy.float32)
    labels = numpy.empty((len(judged), 0), numpy.int64)
    for first, chunk in chunks(numpy, arguments):
        everything[first : first + len(chunk)] = chunk
        product = judged @ chunk.T
        near = numpy.argsort(-product, axis=1)[:, : arguments.k]
        scores = numpy.concatenate([scores, numpy.take_along_axis(product, near, axis=1)], axis=1)
        labels = numpy.concatenate([labels, near + first], axis=1)
        best = numpy.argsort(-scores, axis=1, kind="stable")[:, : arguments.k]
        scores, labels = numpy.take_along_axis(scores, best, axis=1), numpy.take_along_axis(labels, best, axis=1)

    for kind in kinds:
        begun = time.perf_counter()
        faiss.omp_set_num_threads(max(1, (os.cpu_count() or 2) // 2))
        index = faiss.index_factory(arguments.dimension, kind, faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            index.train(everything[:: max(1, arguments.vectors // 1_000_000)])
        if on_gpu:
            resources = faiss.StandardGpuResources()
            resources.setTempMemory(512 << 20)
            options = faiss.GpuClonerOptions()
            options.useFloat16 = arguments.half
            index = faiss.index_cpu_to_gpu(resources, numbers[0], index, options)
        index.add(everything)
        if kind.startswith("IVF") or ",IVF" in kind:
            inner = faiss.extract_index_ivf(index) if not on_gpu else index
            inner.nprobe = arguments.nprobe or int(numpy.ceil(numpy.sqrt(inner.nlist)))
        faiss.omp_set_num_threads(1)
        built = time.perf_counter() - begun
        found = index.search(judged, arguments.k)[1]
        there = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), labels.tolist()))
        for batch in batches:
            index.search(queries[:batch], arguments.k)
            times, start = [], time.perf_counter()
            while len(times) < 3 or time.perf_counter() - start < arguments.seconds:
                call = time.perf_counter()
                index.search(queries[:batch], arguments.k)
                times.append((time.perf_counter() - call) * 1e3)
            milliseconds = sorted(times)[len(times) // 2]
            row = {
                "engine": f"Python faiss {faiss.__version__}",
                "kind": kind,
                "device": arguments.device,
                "card": None,
                "vectors": arguments.vectors,
                "dimension": arguments.dimension,
                "half": arguments.half,
                "batch": batch,
                "milliseconds": milliseconds,
                "per_second": batch / milliseconds * 1e3,
                "recall": there / labels.size,
                "build_seconds": built,
                "open_seconds": None,
            }
            print(json.dumps(row), flush=True)


# ---------------------------------------------------------------------------------------------
# Both, one after the other.


def measured(command, what):
    """The rows that a process prints, or nothing and why."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        print(f"{what} did not run to its end: {last[0][:300]}", file=sys.stderr, flush=True)
    return found


def example(arguments):
    """The command that starts this crate's side."""
    if arguments.example:
        return [arguments.example]
    features = "faiss" if arguments.device == "cpu" else "faiss-gpu"
    build = ["cargo", "build", "--release", "--locked", "-p", "llasta-rag", "--features", features]
    subprocess.run([*build, "--example", "gpu_index_speed"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return [str(target / "release/examples/gpu_index_speed")]


def settings(arguments, vectors):
    given = ["--device", arguments.device, "--vectors", str(vectors), "--dimension", str(arguments.dimension)]
    given += ["--k", str(arguments.k), "--judged", str(arguments.judged), "--seconds", str(arguments.seconds)]
    given += ["--kinds", *(arguments.kinds or usual_kinds(vectors))]
    given += ["--batches", *map(str, arguments.batches)]
    given += ["--nprobe", str(arguments.nprobe)] if arguments.nprobe else []
    return given + (["--half"] if arguments.half else [])


def usual_kinds(vectors):
    """Flat, and IVF with about four times the square root of the vectors as lists."""
    lists = 1 << max(4, round((vectors**0.5 * 4)).bit_length() - 1)
    return ["Flat", f"IVF{lists},Flat", f"IVF{lists},PQ64"]


def table(found, peak):
    print("| vectors | kind | batch | engine | device | ms per call | searches/s | recall | of the memory's peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in found:
        part = share(row, peak)
        part = f"{part:.0%}" if part is not None else "-"
        print(
            f"| {row['vectors']:,} | {row['kind']} | {row['batch']} | {row['engine']} | {row['device']} "
            f"| {row['milliseconds']:.3f} | {row['per_second']:,.0f} | {row['recall']:.3f} | {part} |"
        )
    print()
    by_place = {}
    for row in found:
        by_place.setdefault((row["vectors"], row["kind"], row["batch"]), {})[row["engine"].split()[0]] = row
    for (vectors, kind, batch), rows in by_place.items():
        if {"llasta", "Python"} <= rows.keys():
            ratio = rows["llasta"]["per_second"] / rows["Python"]["per_second"]
            print(f"{vectors:,} {kind} batch {batch}: {ratio:.2f} times Python's searches per second")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--vectors", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--dimension", type=int, default=1024)
    parser.add_argument("--kinds", nargs="+", help="kinds of index; Flat, IVF and IVF with product codes unless set")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64, 1024])
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--nprobe", type=int)
    parser.add_argument("--half", action="store_true", help="half precision on the GPU")
    parser.add_argument("--judged", type=int, default=100, help="queries that recall is measured with")
    parser.add_argument("--seconds", type=float, default=2.0, help="that each measurement takes at least")
    parser.add_argument("--peak-bandwidth", type=float, metavar="GB/S", help="of the memory, where the card is not known")
    parser.add_argument("--folder", help="where index files go; they are as large as the vectors")
    parser.add_argument("--example", help="the built example, instead of building it")
    parser.add_argument("--python-side", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.python_side:
        arguments.vectors = arguments.vectors[0]
        python_side(arguments)
        return
    found = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        ours = example(arguments)
        for vectors in arguments.vectors:
            given = settings(arguments, vectors)
            found += measured([*ours, *given, "--folder", folder], "this crate")
            own = [sys.executable, str(Path(__file__).resolve()), "--python-side", *given]
            found += measured(own, "Python's faiss")
    if not found:
        raise SystemExit("nothing was measured")
    card = next((row["card"] for row in found if row["card"]), None)
    peak = peak_of(card, arguments.peak_bandwidth)
    speed = f"{peak / 1e9:,.0f} GB/s" if peak else "the peak of its memory is unknown: pass --peak-bandwidth"
    print(f"{card or platform.machine()}, {speed}\n")
    table(found, peak)


if __name__ == "__main__":
    main()
