"""What an index costs as it grows: memory, searches per second and recall, one row of a Markdown table for
each kind and size.

    python benches/retrieval/index_scale.py [DIMENSION] [ROWS,ROWS...] [KIND...]

Needs faiss-cpu and numpy. FAISS is the engine of faiss-wrap too; index_speed.py says how fast it is there
beside here. Vectors and queries lie near a space of 32 dimensions, as those of texts lie near one of few, and
have no clusters that lists could follow, which is the harder case; recall is against the exact answer. Searches
come one by one and are counted per second of the thread's own time on a core, so a busy machine gives nearly the
figures of a quiet one. Memory is what FAISS writes when it saves the index, which is what it holds.
"""

import sys
import time

import faiss
import numpy as np

K = 10
QUERIES = 200

# Dimensions of the space that all vectors lie near, and how far beside it they lie, as a share of their length.
INNER = 32
BESIDE = 0.3

KINDS = ["Flat", "IVF{lists},Flat", "HNSW32"]


def made(random, space, rows):
    vectors = random.standard_normal((rows, INNER), dtype=np.float32) @ space
    away = random.standard_normal(vectors.shape, dtype=np.float32)
    vectors += BESIDE * np.sqrt(INNER / vectors.shape[1]) * away
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def searches(index, queries):
    found = [index.search(queries[at : at + 1], K)[1][0] for at in range(len(queries))]
    begun = time.thread_time()
    for at in range(len(queries)):
        index.search(queries[at : at + 1], K)
    return found, len(queries) / (time.thread_time() - begun)


def measure(rows, dimension, kinds):
    random = np.random.default_rng(1)
    space = random.standard_normal((INNER, dimension), dtype=np.float32) / np.float32(np.sqrt(dimension))
    vectors = made(random, space, rows)
    queries = made(random, space, QUERIES)
    exact = faiss.IndexFlatIP(dimension)
    exact.add(vectors)
    expected = [set(row) for row in exact.search(queries, K)[1]]
    # As many lists as four square roots, a power of two, and no more than can be trained.
    lists = 2 ** round(np.log2(4 * np.sqrt(rows)))
    while lists * 39 > rows:
        lists //= 2
    for kind in kinds:
        kind = kind.format(lists=lists)
        index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        begun = time.process_time()
        index.train(vectors)
        index.add(vectors)
        build = time.process_time() - begun
        for probes in [None] if "IVF" not in kind else [round(lists**0.5), lists // 4]:
            name = kind
            if probes:
                index.nprobe = probes
                name = f"{kind}, nprobe {probes}"
            if "HNSW" in kind:
                index.hnsw.efSearch = 64
            found, rate = searches(index, queries)
            recall = sum(len(set(row) & wanted) for row, wanted in zip(found, expected)) / (K * QUERIES)
            memory = len(faiss.serialize_index(index)) / 2**20
            print(f"| {rows:,} | `{name}` | {memory:,.0f} | {rate:,.0f} | {recall:.3f} | {build:,.0f} |", flush=True)


def main():
    faiss.omp_set_num_threads(1)
    arguments = sys.argv[1:]
    dimension = int(arguments[0]) if arguments else 1024
    sizes = arguments[1] if len(arguments) > 1 else "10000,100000"
    print(f"| vectors of {dimension} | index | memory, MiB | searches per second | recall@{K} | build, s |")
    print("|--:|---|--:|--:|--:|--:|", flush=True)
    for rows in sizes.split(","):
        measure(int(rows), dimension, arguments[2:] or KINDS)


if __name__ == "__main__":
    main()
