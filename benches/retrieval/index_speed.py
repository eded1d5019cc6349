"""The counterpart of llasta-rag/examples/index_speed.rs with faiss-cpu, on one thread.

Usage: python index_speed.py [ROWS] [DIMENSION] [KIND...]
"""

import statistics
import sys
import time

import faiss
import numpy

K, BATCH, ROUNDS = 5, 64, 5


def milliseconds(work):
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def main():
    arguments = sys.argv[1:]
    rows = int(arguments[0]) if arguments else 20_000
    dimension = int(arguments[1]) if len(arguments) > 1 else 1024
    kinds = arguments[2:] or ["Flat", "IVF128,Flat", "HNSW32"]
    faiss.omp_set_num_threads(1)
    random = numpy.random.default_rng(1)
    vectors = random.uniform(-1, 1, (rows + BATCH, dimension)).astype("float32")
    faiss.normalize_L2(vectors)
    vectors, queries = vectors[:rows], vectors[rows:]

    print(f"| {rows} x {dimension}, ms | build | one query | batch of {BATCH} |")
    print("|---|---|---|---|")
    for kind in kinds:
        index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)

        def build():
            index.train(vectors)
            index.add(vectors)

        built = milliseconds(build)
        space = faiss.ParameterSpace()
        if "IVF" in kind:
            space.set_index_parameter(index, "nprobe", 16)
        if "HNSW" in kind:
            space.set_index_parameter(index, "efSearch", 64)

        def one_by_one():
            for query in queries:
                index.search(query[None], K)

        one, batch = [], []
        for _ in range(ROUNDS):
            one.append(milliseconds(one_by_one) / BATCH)
            batch.append(milliseconds(lambda: index.search(queries, K)))
        one, batch = statistics.median(one), statistics.median(batch)
        print(f"| {kind} | {built:.0f} | {one:.3f} | {batch:.2f} |")


main()
