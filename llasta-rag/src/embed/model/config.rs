//! What a checkpoint says about itself.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::EmbedError;
use super::files::Files;

/// How a text's vector is made of its tokens' vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// The first token's.
    Cls,
    /// Their mean.
    Mean,
    /// The largest of each component.
    Max,
}

/// The shape of an encoder, and how it is used.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) intermediate: usize,
    pub(super) vocabulary: usize,
    pub(super) positions: usize,
    /// The position of the first token.
    pub(super) first_position: usize,
    pub(super) types: usize,
    pub(super) epsilon: f32,
    /// The most tokens of a text, with the special ones.
    pub(super) max_length: usize,
    pub(super) pooling: Pooling,
    /// What goes before a query, and before a text that is stored.
    pub(super) query_prompt: String,
    pub(super) text_prompt: String,
}

/// `config.json`. What it leaves out has the default of `transformers`.
#[derive(Deserialize)]
struct Encoder {
    model_type: String,
    #[serde(default = "hidden_size")]
    hidden_size: usize,
    #[serde(default = "twelve")]
    num_hidden_layers: usize,
    #[serde(default = "twelve")]
    num_attention_heads: usize,
    #[serde(default = "intermediate_size")]
    intermediate_size: usize,
    #[serde(default = "vocab_size")]
    vocab_size: usize,
    #[serde(default = "max_position_embeddings")]
    max_position_embeddings: usize,
    #[serde(default = "type_vocab_size")]
    type_vocab_size: usize,
    #[serde(default = "layer_norm_eps")]
    layer_norm_eps: f32,
    #[serde(default)]
    pad_token_id: Option<usize>,
    #[serde(default)]
    hidden_act: Option<String>,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

fn hidden_size() -> usize {
    768
}
fn twelve() -> usize {
    12
}
fn intermediate_size() -> usize {
    3072
}
fn vocab_size() -> usize {
    30522
}
fn max_position_embeddings() -> usize {
    512
}
fn type_vocab_size() -> usize {
    2
}
fn layer_norm_eps() -> f32 {
    1e-12
}

/// One entry of `modules.json`, the list of what sentence-transformers does one after another.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Config {
    pub(super) fn read(files: &Files) -> Result<Self, EmbedError> {
        const FILE: &str = "config.json";
        files.required(FILE)?;
        let encoder: Encoder = files
            .json(FILE)?
            .ok_or_else(|| files.damaged(FILE, "gone"))?;
        let refuse = |message: String| Err(files.damaged(FILE, message));
        let first_position = match encoder.model_type.as_str() {
            "bert" => 0,
            // Positions are counted from the one after the padding's.
            "xlm-roberta" | "roberta" | "camembert" => encoder.pad_token_id.unwrap_or(1) + 1,
            other => {
                return refuse(format!(
                    "the model is of type {other:?}, and bert, roberta and xlm-roberta can be read: choose such a model, or serve this one and give --embed-base-url"
                ));
            }
        };
        if let Some(kind) = encoder
            .position_embedding_type
            .filter(|kind| kind != "absolute")
        {
            return refuse(format!(
                "position_embedding_type is {kind:?}, and only \"absolute\" can be read"
            ));
        }
        if let Some(act) = encoder.hidden_act.filter(|act| act != "gelu") {
            return refuse(format!(
                "hidden_act is {act:?}, and only \"gelu\" can be read"
            ));
        }
        let sizes = [
            encoder.hidden_size,
            encoder.num_hidden_layers,
            encoder.num_attention_heads,
            encoder.intermediate_size,
            encoder.type_vocab_size,
        ];
        if sizes.contains(&0)
            || !encoder
                .hidden_size
                .is_multiple_of(encoder.num_attention_heads)
        {
            return refuse(format!(
                "hidden_size {}, num_attention_heads {} and num_hidden_layers {} make no encoder",
                encoder.hidden_size, encoder.num_attention_heads, encoder.num_hidden_layers
            ));
        }
        let room = encoder
            .max_position_embeddings
            .saturating_sub(first_position);
        let (query_prompt, text_prompt) = prompts(files)?;
        Ok(Self {
            hidden: encoder.hidden_size,
            layers: encoder.num_hidden_layers,
            heads: encoder.num_attention_heads,
            intermediate: encoder.intermediate_size,
            vocabulary: encoder.vocab_size,
            positions: encoder.max_position_embeddings,
            first_position,
            types: encoder.type_vocab_size,
            epsilon: encoder.layer_norm_eps,
            max_length: max_length(files)?.map_or(room, |length| length.min(room)),
            pooling: pooling(files)?,
            query_prompt,
            text_prompt,
        })
    }
}

/// What the authors had the model read; the tokenizer's own limit where they do not say.
fn max_length(files: &Files) -> Result<Option<usize>, EmbedError> {
    let whole = |value: &Value| value.as_u64().and_then(|value| usize::try_from(value).ok());
    for (file, field) in [
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ] {
        let settings: Option<HashMap<String, Value>> = files.json(file)?;
        // "No limit" is written as a number that fits no integer.
        let length = settings.and_then(|settings| settings.get(field).and_then(whole));
        if let Some(length) = length.filter(|&length| length > 0) {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// From the model's own files. Where they say nothing: a checkpoint with the heads of bge-m3 was
/// trained on its first token, and for others sentence-transformers takes the mean.
fn pooling(files: &Files) -> Result<Pooling, EmbedError> {
    const MODULES: &str = "modules.json";
    let modules: Option<Vec<Module>> = files.json(MODULES)?;
    let mut folder = "1_Pooling".to_owned();
    for module in modules.into_iter().flatten() {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Pooling" => folder = module.path,
            "Transformer" | "Normalize" => {}
            other => {
                return Err(files.damaged(
                    MODULES,
                    format!("the model needs the module {other}, and only Transformer, Pooling and Normalize can be run"),
                ));
            }
        }
    }
    let file = format!("{folder}/config.json");
    let settings: Option<HashMap<String, Value>> = files.json(&file)?;
    let Some(settings) = settings else {
        let heads = files.optional("colbert_linear.pt")?.is_some()
            || files.optional("sparse_linear.pt")?.is_some();
        return Ok(if heads { Pooling::Cls } else { Pooling::Mean });
    };
    let flags = settings.iter().filter_map(|(name, value)| {
        let mode = name.strip_prefix("pooling_mode_")?;
        (value == &Value::Bool(true)).then_some(mode.trim_end_matches("_tokens"))
    });
    let named = settings.get("pooling_mode").and_then(Value::as_str);
    let modes: Vec<_> = flags.chain(named).collect();
    match modes[..] {
        ["cls_token" | "cls"] => Ok(Pooling::Cls),
        ["mean"] => Ok(Pooling::Mean),
        ["max"] => Ok(Pooling::Max),
        _ => Err(files.damaged(
            &file,
            format!("the pooling is {modes:?}, and one of cls, mean and max can be run"),
        )),
    }
}

/// What sentence-transformers puts before queries and documents.
fn prompts(files: &Files) -> Result<(String, String), EmbedError> {
    #[derive(Deserialize)]
    struct Settings {
        #[serde(default)]
        prompts: Option<HashMap<String, Option<String>>>,
    }
    let settings: Option<Settings> = files.json("config_sentence_transformers.json")?;
    let mut prompts = settings
        .and_then(|settings| settings.prompts)
        .unwrap_or_default();
    let mut first = |names: &[&str]| {
        let mut found = names.iter().filter_map(|&name| prompts.remove(name)?);
        found.next().unwrap_or_default()
    };
    Ok((first(&["query"]), first(&["document", "passage", "corpus"])))
}
