//! Neural models against what `PyTorch` computes: `tests/fixtures/make.py` made both.

use std::path::{Path, PathBuf};

use llasta_rag::Device;
use llasta_rag::embed::{
    EmbedError, Embedder, Embedding, Kinds, NeuralEmbedder, NeuralOptions, WeightType,
    token_counter,
};
use serde::Deserialize;

/// A text and what `PyTorch` says of it alone.
#[derive(Debug, Deserialize)]
struct Expected {
    text: String,
    dense: Vec<f32>,
    #[serde(default)]
    sparse: Vec<(u32, f32)>,
    /// How many vectors `multi_vector` would have; it has the last ones.
    #[serde(default)]
    rows: usize,
    #[serde(default)]
    multi_vector: Vec<Vec<f32>>,
}

const MODELS: [&str; 3] = ["bge-m3-tiny", "xlm-roberta-tiny", "bert-tiny"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// On the CPU, also in a build that finds a GPU: `tests/gpu/` compares the two.
fn options() -> NeuralOptions {
    NeuralOptions {
        device: Device::Cpu,
        ..NeuralOptions::default()
    }
}

fn open(name: &str) -> NeuralEmbedder {
    NeuralEmbedder::open(folder(name).to_str().unwrap(), &options()).unwrap()
}

fn expected(name: &str) -> Vec<Expected> {
    let text = std::fs::read_to_string(folder(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The acceptance of issue and design: cosine at least 0.9999, no component off by 1e-4.
#[track_caller]
fn same(given: &[f32], expected: &[f32], what: &str) {
    assert_eq!(given.len(), expected.len(), "{what}");
    let pairs = || given.iter().zip(expected);
    let dot: f32 = pairs().map(|(a, b)| a * b).sum();
    let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
    let cosine = dot / (length(given) * length(expected));
    let worst = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(cosine >= 0.9999, "{what}: cosine {cosine}");
    assert!(worst < 1e-4, "{what}: a component is off by {worst}");
}

#[test]
fn dense_vectors_are_those_of_pytorch_one_text_at_a_time_and_in_a_batch() {
    for model in MODELS {
        let embedder = open(model);
        let expected = expected(model);
        let texts: Vec<_> = expected.iter().map(|one| one.text.as_str()).collect();
        let batch = embedder.embed(&texts).unwrap();
        for ((expected, together), text) in expected.iter().zip(&batch).zip(&texts) {
            let alone = embedder.embed(&[text]).unwrap().remove(0);
            same(&alone, &expected.dense, &format!("{model}, {text}"));
            same(
                together,
                &expected.dense,
                &format!("{model}, batch, {text}"),
            );
            same(&embedder.embed_query(text).unwrap(), &alone, text);
        }
    }
}

#[test]
fn a_batch_gives_the_same_whatever_its_order_and_however_it_is_cut() {
    for model in MODELS {
        let expected = expected(model);
        let whole = open(model);
        let options = NeuralOptions {
            batch_tokens: Some(50),
            threads: std::num::NonZeroUsize::new(1),
            ..options()
        };
        let path = folder(model);
        let cut = NeuralEmbedder::open(path.to_str().unwrap(), &options).unwrap();
        let mut texts: Vec<_> = expected.iter().map(|one| one.text.as_str()).collect();
        let forward = whole.embed(&texts).unwrap();
        texts.reverse();
        let mut backward = cut.embed(&texts).unwrap();
        backward.reverse();
        for ((a, b), one) in forward.iter().zip(&backward).zip(&expected) {
            same(a, b, &one.text);
        }
    }
}

#[test]
fn lexical_weights_and_vectors_per_token_are_those_of_pytorch() {
    let embedder = open("bge-m3-tiny");
    let expected = expected("bge-m3-tiny");
    let texts: Vec<_> = expected.iter().map(|one| one.text.as_str()).collect();
    let embeddings = embedder.embed_kinds(&texts, Kinds::ALL).unwrap();
    assert!(expected.iter().any(|one| one.rows > 300));
    for (given, expected) in embeddings.iter().zip(&expected) {
        same(&given.dense, &expected.dense, &expected.text);
        let ids = |pairs: &[(u32, f32)]| pairs.iter().map(|pair| pair.0).collect::<Vec<_>>();
        assert_eq!(
            ids(&given.sparse),
            ids(&expected.sparse),
            "{}",
            expected.text
        );
        for (given, expected) in given.sparse.iter().zip(&expected.sparse) {
            assert!(
                (given.1 - expected.1).abs() < 1e-4,
                "{given:?} {expected:?}"
            );
        }
        assert_eq!(given.multi_vector.len(), expected.rows);
        assert_eq!(given.tokens, expected.rows + 1);
        let last = expected.rows - expected.multi_vector.len();
        for (given, row) in given.multi_vector[last..]
            .iter()
            .zip(&expected.multi_vector)
        {
            same(given, row, &expected.text);
        }
    }
    let sparse_only = Kinds {
        sparse: true,
        ..Kinds::default()
    };
    let one = embedder
        .embed_kinds(&texts[..1], sparse_only)
        .unwrap()
        .remove(0);
    assert_eq!(one.sparse, embeddings[0].sparse);
    assert!(one.dense.is_empty() && one.multi_vector.is_empty());
}

#[test]
fn a_checkpoint_without_heads_refuses_their_outputs_and_says_which_file_is_missing() {
    let embedder = open("bert-tiny");
    for (kinds, file) in [
        (
            Kinds {
                sparse: true,
                ..Kinds::DENSE
            },
            "sparse_linear.pt",
        ),
        (
            Kinds {
                multi_vector: true,
                ..Kinds::DENSE
            },
            "colbert_linear.pt",
        ),
    ] {
        let error = embedder.embed_kinds(&["text"], kinds).unwrap_err();
        assert!(matches!(error, EmbedError::NoHead { .. }), "{error}");
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn half_precision_stays_near_and_is_not_the_same() {
    for model in MODELS {
        let options = NeuralOptions {
            weights: Some(WeightType::Bf16),
            ..options()
        };
        let path = folder(model);
        let embedder = NeuralEmbedder::open(path.to_str().unwrap(), &options).unwrap();
        let expected = expected(model);
        let texts: Vec<_> = expected.iter().map(|one| one.text.as_str()).collect();
        let vectors = embedder.embed(&texts).unwrap();
        let cosines = vectors.iter().zip(&expected).map(|(given, expected)| {
            let pairs = given.iter().zip(&expected.dense);
            pairs.map(|(a, b)| a * b).sum::<f32>()
        });
        for (cosine, expected) in cosines.zip(&expected) {
            assert!(cosine > 0.99, "{model}, {}: {cosine}", expected.text);
        }
        assert!(vectors.iter().zip(&expected).any(|(a, b)| *a != b.dense));
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn left_to_choose_a_build_without_cuda_takes_the_cpu_and_refuses_what_is_for_gpus() {
    let chosen = NeuralEmbedder::open(
        folder("bert-tiny").to_str().unwrap(),
        &NeuralOptions::default(),
    );
    assert_eq!(chosen.unwrap().device(), Device::Cpu);
    let refused = |device, weights| {
        let options = NeuralOptions {
            device,
            weights,
            ..NeuralOptions::default()
        };
        let path = folder("bert-tiny");
        let opened = NeuralEmbedder::open(path.to_str().unwrap(), &options);
        let error = opened.map(|_| ()).unwrap_err();
        assert!(matches!(error, EmbedError::Device { .. }), "{error}");
        error.to_string()
    };
    let message = refused(Device::Cuda(0), None);
    assert!(
        message.contains("cuda:0") && message.contains("--features cuda"),
        "{message}"
    );
    for device in [Device::Auto, Device::Cpu] {
        let message = refused(device, Some(WeightType::F16));
        assert!(
            message.contains("f16") && message.contains("--embed-dtype bf16"),
            "{message}"
        );
    }
}

#[test]
fn a_text_that_says_nothing_is_the_zero_vector_among_others_that_are_not() {
    let embedder = open("bge-m3-tiny");
    let texts = ["", "Where is the index?", " \n\t", "?!", "Yes."];
    let vectors = embedder.embed(&texts).unwrap();
    let lengths = vectors.iter().map(|v| v.iter().map(|x| x * x).sum::<f32>());
    for ((length, expected), text) in lengths.zip([0.0, 1.0, 0.0, 0.0, 1.0]).zip(texts) {
        assert!((length - expected).abs() < 1e-5, "{text:?}: {length}");
    }
    assert!(vectors.iter().all(|vector| vector.len() == 32));
    assert_eq!(embedder.embed_query(" ").unwrap(), vec![0.0; 32]);
    assert!(embedder.embed(&[]).unwrap().is_empty());
    let alone = embedder.embed(&texts[1..2]).unwrap();
    same(&vectors[1], &alone[0], texts[1]);
}

#[test]
fn a_text_that_is_too_long_is_cut_where_the_model_ends_and_that_is_told() {
    let embedder = open("bert-tiny");
    let expected = expected("bert-tiny");
    let long = expected
        .iter()
        .map(|one| one.text.as_str())
        .max_by_key(|text| text.len());
    let long = long.unwrap();
    let most = embedder.max_tokens().unwrap();
    // The settings say 64, of which two are the model's own; `tokenizer.json` was saved with 16.
    assert_eq!(most, 62);
    let count = embedder.count_tokens(long);
    assert!(count > most);
    let embeddings = embedder.embed_kinds(&[long, "Yes."], Kinds::DENSE).unwrap();
    assert_eq!(embeddings[0].tokens, 64);
    assert_eq!(embeddings[0].truncated, count - most);
    assert_eq!(embeddings[1].truncated, 0);
    assert_eq!(embeddings[1].tokens, embedder.count_tokens("Yes.") + 2);
}

#[test]
fn tokens_are_counted_without_weights_as_the_model_counts_them() {
    let whole = open("bge-m3-tiny");
    let bare = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "sentence_bert_config.json"] {
        std::fs::copy(folder("bge-m3-tiny").join(file), bare.path().join(file)).unwrap();
    }
    let counter = token_counter(bare.path().to_str().unwrap()).unwrap();
    assert_eq!(counter.max_tokens(), whole.max_tokens());
    for one in expected("bge-m3-tiny") {
        assert_eq!(counter.count(&one.text), whole.count_tokens(&one.text));
        assert_eq!(counter.count(&one.text) + 1, one.rows);
    }
}

#[test]
fn a_model_goes_by_the_name_of_its_folder() {
    assert_eq!(open("bert-tiny").model(), "bert-tiny");
    assert_eq!(open("bert-tiny").dimension(), 48);
}

/// A copy of a checkpoint, to be damaged.
fn copy(model: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut folders = vec![(folder(model), copy.path().to_owned())];
    while let Some((from, to)) = folders.pop() {
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let place = to.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push((entry.path(), place));
            } else {
                std::fs::copy(entry.path(), place).unwrap();
            }
        }
    }
    copy
}

#[test]
fn a_damaged_checkpoint_is_refused_with_the_file_and_what_is_wrong() {
    type Damage = fn(&Path);
    fn edit(path: &Path, file: &str, from: &str, to: &str) {
        let path = path.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
    fn cut(path: &Path, file: &str, keep: u64) {
        let file = std::fs::File::options()
            .write(true)
            .open(path.join(file))
            .unwrap();
        file.set_len(keep).unwrap();
    }
    let cases: [(&str, Damage, &[&str]); 14] = [
        (
            "bert-tiny",
            |path| std::fs::remove_file(path.join("config.json")).unwrap(),
            &["config.json", "folder"],
        ),
        (
            "bert-tiny",
            |path| std::fs::remove_file(path.join("tokenizer.json")).unwrap(),
            &["tokenizer.json"],
        ),
        (
            "bert-tiny",
            |path| std::fs::remove_file(path.join("model.safetensors")).unwrap(),
            &["model.safetensors", "pytorch_model.bin"],
        ),
        (
            "bert-tiny",
            |path| std::fs::write(path.join("config.json"), "{").unwrap(),
            &["config.json"],
        ),
        (
            "bert-tiny",
            |path| edit(path, "config.json", "\"bert\"", "\"t5\""),
            &["t5", "xlm-roberta", "--embed-base-url"],
        ),
        (
            "bert-tiny",
            |path| edit(path, "config.json", "\"gelu\"", "\"relu\""),
            &["hidden_act", "relu"],
        ),
        (
            "bert-tiny",
            |path| {
                edit(
                    path,
                    "config.json",
                    "\"num_attention_heads\": 3",
                    "\"num_attention_heads\": 5",
                );
            },
            &["num_attention_heads 5"],
        ),
        (
            "bert-tiny",
            |path| {
                edit(
                    path,
                    "config.json",
                    "\"intermediate_size\": 100",
                    "\"intermediate_size\": 96",
                );
            },
            &[
                "model.safetensors",
                "intermediate.dense.weight",
                "[100, 48]",
                "[96, 48]",
            ],
        ),
        (
            "bert-tiny",
            |path| {
                edit(
                    path,
                    "config.json",
                    "\"vocab_size\": 520",
                    "\"vocab_size\": 100",
                );
            },
            &["tokenizer.json", "519", "100"],
        ),
        (
            "bert-tiny",
            |path| edit(path, "modules.json", "models.Normalize", "models.Dense"),
            &["modules.json", "Dense"],
        ),
        (
            "bert-tiny",
            |path| {
                edit(
                    path,
                    "1_Pooling/config.json",
                    "\"pooling_mode_mean_tokens\": true",
                    "\"pooling_mode_lasttoken\": true",
                );
            },
            &["1_Pooling/config.json", "lasttoken"],
        ),
        (
            "bert-tiny",
            |path| cut(path, "model.safetensors", 100_000),
            &["model.safetensors", "cut off"],
        ),
        (
            "xlm-roberta-tiny",
            |path| cut(path, "pytorch_model.bin", 100_000),
            &["pytorch_model.bin"],
        ),
        (
            "bge-m3-tiny",
            |path| std::fs::write(path.join("colbert_linear.pt"), "no tensors").unwrap(),
            &["colbert_linear.pt"],
        ),
    ];
    for (model, damage, words) in cases {
        let copy = copy(model);
        damage(copy.path());
        let opened = NeuralEmbedder::open(copy.path().to_str().unwrap(), &options());
        let message = opened.map(|_| ()).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{model}: no {word:?} in: {message}");
        }
    }
}

#[test]
fn what_was_not_asked_for_is_empty() {
    let embedder = open("bge-m3-tiny");
    let one = embedder
        .embed_kinds(&["Yes."], Kinds::default())
        .unwrap()
        .remove(0);
    let Embedding {
        dense,
        sparse,
        multi_vector,
        tokens,
        truncated,
    } = one;
    assert!(dense.is_empty() && sparse.is_empty() && multi_vector.is_empty());
    assert!(tokens > 2);
    assert_eq!(truncated, 0);
}

/// all-MiniLM-L6-v2 as it is, against sentence-transformers: `tests/fixtures/minilm_reference.py`.
#[test]
#[ignore = "needs LLASTA_TEST_MINILM (folder) and LLASTA_TEST_MINILM_REFERENCE (JSON file)"]
fn minilm_gives_the_vectors_of_sentence_transformers() {
    #[derive(Deserialize)]
    struct Reference {
        model: String,
        sentences: Vec<String>,
        vectors: Vec<Vec<f32>>,
    }
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    let reference = std::fs::read_to_string(variable("LLASTA_TEST_MINILM_REFERENCE")).unwrap();
    let reference: Reference = serde_json::from_str(&reference).unwrap();
    let folder = variable("LLASTA_TEST_MINILM");
    let embedder = NeuralEmbedder::open(&folder, &options()).unwrap();
    assert_eq!(embedder.model(), reference.model);
    assert_eq!(embedder.dimension(), 384);
    assert!(reference.sentences.len() >= 100);
    let texts: Vec<_> = reference.sentences.iter().map(String::as_str).collect();
    let vectors = embedder.embed(&texts).unwrap();
    for ((vector, expected), text) in vectors.iter().zip(&reference.vectors).zip(texts) {
        same(vector, expected, text);
    }
}
