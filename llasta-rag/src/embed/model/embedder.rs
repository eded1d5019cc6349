//! A model and its tokenizer as one.

use rayon::ThreadPool;

use super::super::{EmbedError, Embedder, Embedding, Kinds, NeuralOptions, WeightType, normalise};
use super::NeuralTokenizer;
use super::config::{Config, Pooling};
use super::encoder::{Encoder, Linear, Rows, ranges};
use super::files::Files;
use super::kernels::Activation;
use super::tokenizer::Tokens;
use super::weights::Weights;

/// An encoder of the BERT family on the CPU, such as bge-m3 or all-MiniLM-L6-v2.
#[derive(Debug)]
pub struct NeuralEmbedder {
    model: String,
    config: Config,
    tokenizer: NeuralTokenizer,
    encoder: Encoder,
    sparse: Option<Linear>,
    multi_vector: Option<Linear>,
    no_words: Vec<u32>,
    batch_tokens: usize,
    pool: ThreadPool,
}

const SPARSE: &str = "sparse_linear.pt";
const MULTI_VECTOR: &str = "colbert_linear.pt";

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

    /// Loads a model from a folder or a Hugging Face repository (`owner/name`, or
    /// `owner/name@revision`), which is downloaded to the hub's cache (`HF_HOME`, `HF_TOKEN`) unless
    /// it is there or `HF_HUB_OFFLINE` is set.
    ///
    /// # Errors
    ///
    /// A model that cannot be found, is damaged, or is of a kind that cannot be run.
    pub fn open(model: &str, options: &NeuralOptions) -> Result<Self, EmbedError> {
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
        let kind = options.weights;
        let (encoder, sparse, multi_vector) = pool.install(|| {
            let weights = Weights::of_encoder(&files)?;
            Ok::<_, EmbedError>((
                Encoder::read(&weights, &config, kind)?,
                head(&files, SPARSE, &config, 1)?,
                head(&files, MULTI_VECTOR, &config, config.hidden)?,
            ))
        })?;
        Ok(Self {
            model: files.name().to_owned(),
            no_words: tokenizer.no_words(),
            config,
            tokenizer,
            encoder,
            sparse,
            multi_vector,
            batch_tokens: options.batch_tokens.max(1),
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
        if kinds.sparse && self.sparse.is_none() {
            return Err(no_head("lexical weights", SPARSE));
        }
        if kinds.multi_vector && self.multi_vector.is_none() {
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
            let made = self.forward(&tokens[begin..end], kinds);
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
    fn forward(&self, tokens: &[Tokens], kinds: Kinds) -> Vec<Embedding> {
        let hidden = self.config.hidden;
        let ids: Vec<_> = tokens.iter().map(|text| text.ids.as_slice()).collect();
        let first_only =
            self.config.pooling == Pooling::Cls && !kinds.sparse && !kinds.multi_vector;
        let (rows, ranges) = if first_only {
            let ranges = (0..ids.len()).map(|at| at..at + 1).collect();
            (Rows::First, ranges)
        } else {
            (Rows::All, ranges(&ids))
        };
        let states = self.encoder.run(&ids, rows);
        let weights = self.sparse.as_ref().filter(|_| kinds.sparse).map(|head| {
            let mut weights = vec![0.0; states.len() / hidden];
            head.run(&states, Activation::None, &mut weights);
            weights
        });
        let vectors = self.multi_vector.as_ref().filter(|_| kinds.multi_vector);
        let vectors = vectors.map(|head| {
            let mut vectors = vec![0.0; states.len()];
            head.run(&states, Activation::None, &mut vectors);
            vectors
        });
        let texts = ranges.into_iter().zip(tokens).map(|(range, tokens)| {
            let part = |all: &[f32]| all[range.start * hidden..range.end * hidden].to_vec();
            Embedding {
                dense: if kinds.dense {
                    self.pool(&part(&states))
                } else {
                    Vec::new()
                },
                sparse: weights
                    .as_ref()
                    .map(|weights| self.lexical(&tokens.ids, &weights[range.clone()]))
                    .unwrap_or_default(),
                multi_vector: vectors
                    .as_ref()
                    .map(|vectors| rows_after_first(&part(vectors), hidden))
                    .unwrap_or_default(),
                tokens: tokens.ids.len(),
                truncated: tokens.truncated,
            }
        });
        texts.collect()
    }

    fn pool(&self, states: &[f32]) -> Vec<f32> {
        let mut rows = states.chunks_exact(self.config.hidden);
        let mut vector = rows.next().unwrap_or_default().to_vec();
        match self.config.pooling {
            Pooling::Cls => {}
            // The mean has the direction of the sum, and the length becomes 1.
            Pooling::Mean => rows.for_each(|row| {
                for (sum, value) in vector.iter_mut().zip(row) {
                    *sum += value;
                }
            }),
            Pooling::Max => rows.for_each(|row| {
                for (most, &value) in vector.iter_mut().zip(row) {
                    *most = most.max(value);
                }
            }),
        }
        normalise(&mut vector);
        vector
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

/// A linear layer of its own file, if the checkpoint has it.
fn head(
    files: &Files,
    file: &'static str,
    config: &Config,
    columns: usize,
) -> Result<Option<Linear>, EmbedError> {
    let Some(weights) = Weights::of_head(files, file)? else {
        return Ok(None);
    };
    let weight = weights.get("weight", &[columns, config.hidden])?;
    let bias = if weights.has("bias") {
        weights.get("bias", &[columns])?
    } else {
        vec![0.0; columns]
    };
    // Small, and what it gives is compared with a threshold: never rounded.
    let linear = Linear::new(&weight, bias, config.hidden, WeightType::F32);
    Ok(Some(linear))
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
