//! A model and its tokenizer as one.

use rayon::ThreadPool;

use super::super::{EmbedError, Embedder, Embedding, Kinds, NeuralOptions, normalise};
use super::NeuralTokenizer;
use super::backend::{Backend, GPUS};
use super::config::Config;
use super::files::Files;
use super::output::{MULTI_VECTOR, Output, SPARSE};
use super::passes::Failed;
use super::tokenizer::Tokens;
use crate::Device;

/// An encoder of the BERT family, such as bge-m3 or all-MiniLM-L6-v2, on the CPU or on a GPU.
#[derive(Debug)]
pub struct NeuralEmbedder {
    model: String,
    config: Config,
    tokenizer: NeuralTokenizer,
    backend: Backend,
    no_words: Vec<u32>,
    batch_tokens: usize,
    pool: ThreadPool,
}

impl NeuralEmbedder {
    /// Whether this build has neural models.
    pub const AVAILABLE: bool = true;

    /// Whether there could be a model of the name: it is a folder, or looks like a repository.
    ///
    /// # Errors
    ///
    /// [`EmbedError::UnknownModel`] where it is neither.
    pub fn check_name(model: &str) -> Result<(), EmbedError> {
        Files::check_name(model)
    }

    /// Whether this build could run models on the device, whatever the machine has.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Device`] for a GPU in a build without the feature `cuda`.
    pub fn check_device(device: Device) -> Result<(), EmbedError> {
        if GPUS || !matches!(device, Device::Cuda(_)) {
            return Ok(());
        }
        Err(EmbedError::Device {
            device: device.to_string(),
            message: "this build has no CUDA: build it with cargo build -p llasta-rag --features cuda, or give --embed-device cpu".to_owned(),
        })
    }

    /// Loads a model from a folder or a Hugging Face repository (`owner/name`, or
    /// `owner/name@revision`), which is downloaded to the hub's cache (`HF_HOME`, `HF_TOKEN`) unless
    /// it is there or `HF_HUB_OFFLINE` is set.
    ///
    /// # Errors
    ///
    /// A model that cannot be found, is damaged, or is of a kind that cannot be run, and
    /// [`EmbedError::Device`] where the device cannot run it.
    pub fn open(model: &str, options: &NeuralOptions) -> Result<Self, EmbedError> {
        Self::check_device(options.device)?;
        let files = Files::open(model)?;
        let config = Config::read(&files)?;
        let tokenizer = NeuralTokenizer::read(&files, &config)?;
        let threads = options.threads.map_or(0, |threads| threads.get());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("embed-{index}"))
            .build()
            .map_err(|error| EmbedError::Model {
                model: files.name().to_owned(),
                message: format!("its threads cannot be started: {error}"),
            })?;
        let (backend, batch_tokens) = Backend::read(&files, &config, options, &pool)?;
        Ok(Self {
            model: files.name().to_owned(),
            no_words: tokenizer.no_words(),
            config,
            tokenizer,
            backend,
            batch_tokens,
            pool,
        })
    }

    /// All that the model gives of each text: bge-m3's three kinds of output.
    ///
    /// # Errors
    ///
    /// [`EmbedError::NoHead`] where the checkpoint lacks what an output needs.
    pub fn embed_kinds(&self, texts: &[&str], kinds: Kinds) -> Result<Vec<Embedding>, EmbedError> {
        let no_head = |output, file| EmbedError::NoHead {
            model: self.model.clone(),
            output,
            file,
        };
        if kinds.sparse && !self.backend.has_sparse() {
            return Err(no_head("lexical weights", SPARSE));
        }
        if kinds.multi_vector && !self.backend.has_multi_vector() {
            return Err(no_head("vector per token", MULTI_VECTOR));
        }
        self.pool.install(|| self.embed_in_pool(texts, kinds))
    }

    fn embed_in_pool(&self, texts: &[&str], kinds: Kinds) -> Result<Vec<Embedding>, EmbedError> {
        let says = |text: &str| text.contains(char::is_alphanumeric);
        let mut embeddings: Vec<_> = texts.iter().map(|_| Embedding::default()).collect();
        if kinds.dense {
            for (embedding, _) in embeddings
                .iter_mut()
                .zip(texts)
                .filter(|(_, text)| !says(text))
            {
                embedding.dense = vec![0.0; self.config.hidden];
            }
        }
        let places: Vec<_> = (0..texts.len()).filter(|&at| says(texts[at])).collect();
        let said: Vec<_> = places.iter().map(|&at| texts[at]).collect();
        let tokens = self.tokenizer.encode(&said)?;
        self.report(&tokens);
        let mut begin = 0;
        while begin < tokens.len() {
            let mut sum = 0;
            let fits = tokens[begin..].iter().take_while(|text| {
                sum += text.ids.len();
                sum <= self.batch_tokens
            });
            let end = begin + fits.count().max(1);
            let made = self.forward(&tokens[begin..end], kinds)?;
            for (&at, embedding) in places[begin..end].iter().zip(made) {
                embeddings[at] = embedding;
            }
            begin = end;
        }
        Ok(embeddings)
    }

    fn report(&self, tokens: &[Tokens]) {
        let cut = tokens.iter().filter(|text| text.truncated > 0);
        let (texts, lost) = cut.fold((0, 0), |(texts, lost), text| {
            (texts + 1, lost + text.truncated)
        });
        if texts > 0 {
            tracing::warn!(
                model = self.model,
                texts,
                tokens = lost,
                limit = self.tokenizer.max_tokens(),
                "texts are longer than the model reads: what is over the limit does not count; cut them smaller"
            );
        }
    }

    /// One pass. No text is empty: the special tokens are there at least.
    fn forward(&self, tokens: &[Tokens], kinds: Kinds) -> Result<Vec<Embedding>, EmbedError> {
        let ids: Vec<_> = tokens.iter().map(|text| text.ids.as_slice()).collect();
        let failed = |failed| match failed {
            Failed::Pass(message) => EmbedError::Model {
                model: self.model.clone(),
                message,
            },
            Failed::Lost(message) => EmbedError::Lost {
                device: self.backend.device().to_string(),
                message,
            },
        };
        let outputs = self.backend.run(&ids, kinds).map_err(failed)?;
        let embeddings = outputs.into_iter().zip(tokens).map(|(output, tokens)| {
            let Output {
                pooled: mut dense,
                weights,
                vectors,
            } = output;
            normalise(&mut dense);
            Embedding {
                dense,
                sparse: self.lexical(&tokens.ids, &weights),
                multi_vector: rows_after_first(&vectors, self.config.hidden),
                tokens: tokens.ids.len(),
                truncated: tokens.truncated,
            }
        });
        Ok(embeddings.collect())
    }

    /// The largest weight above 0 of each token id that is a word.
    fn lexical(&self, ids: &[u32], weights: &[f32]) -> Vec<(u32, f32)> {
        let mut largest = std::collections::BTreeMap::new();
        for (&id, &weight) in ids.iter().zip(weights) {
            if weight > 0.0 && !self.no_words.contains(&id) {
                let place = largest.entry(id).or_insert(weight);
                *place = weight.max(*place);
            }
        }
        largest.into_iter().collect()
    }

    fn embed_with(&self, prompt: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let prompted: Vec<String>;
        let given: Vec<&str>;
        let texts = if prompt.is_empty() {
            texts
        } else {
            // A text that says nothing must not be made to say the prompt.
            let put = |text: &&str| match text.contains(char::is_alphanumeric) {
                true => format!("{prompt}{text}"),
                false => String::new(),
            };
            prompted = texts.iter().map(put).collect();
            given = prompted.iter().map(String::as_str).collect();
            &given
        };
        let embeddings = self.embed_kinds(texts, Kinds::DENSE)?;
        Ok(embeddings.into_iter().map(|one| one.dense).collect())
    }
}

fn rows_after_first(vectors: &[f32], width: usize) -> Vec<Vec<f32>> {
    let rows = vectors.chunks_exact(width).skip(1);
    rows.map(|row| {
        let mut row = row.to_vec();
        normalise(&mut row);
        row
    })
    .collect()
}

impl Embedder for NeuralEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.config.hidden
    }

    fn device(&self) -> Device {
        self.backend.device()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_with(&self.config.text_prompt, texts)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed_with(&self.config.query_prompt, queries)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.count(text)
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.tokenizer.max_tokens())
    }
}
