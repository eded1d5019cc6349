//! Where Milvus is, and how it is asked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Milvus's own port.
const PORT: u16 = 19530;

/// Most characters of a name.
const NAME: usize = 255;

/// Where Milvus is, and what is asked of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MilvusConfig {
    /// Its address.
    pub url: MilvusUrl,
    /// The collection; made when missing.
    pub collection: String,
    /// The database that the collection is in; Milvus's `default` when not set.
    pub database: Option<String>,
    /// The part of the collection that is worked on; Milvus's `_default` when not set. It is made when
    /// missing. An id stands in each part by itself.
    pub partition: Option<String>,
    /// `user:password` or an API key.
    pub token: Option<String>,
    /// What a search sees of what was written before it.
    pub consistency: Consistency,
    /// The index of a collection that is made.
    pub index: MilvusIndexKind,
    /// Lists that a search of an IVF index looks into; Milvus's own default when not set.
    pub nprobe: Option<usize>,
    /// Candidates that a search of an HNSW index keeps; Milvus's own default when not set.
    pub ef_search: Option<usize>,
    /// How long a call may take, with all its tries.
    pub timeout: Duration,
    /// How often a call is tried again that nobody answered.
    pub retries: u32,
}

impl MilvusConfig {
    /// The usual settings: the collection that the address names or else `llasta`, strong consistency,
    /// Milvus's choice of index, 30 seconds and 5 tries more.
    pub fn new(url: MilvusUrl) -> Self {
        let collection = url.collection.clone();
        Self {
            url,
            collection: collection.unwrap_or_else(|| "llasta".to_owned()),
            database: None,
            partition: None,
            token: None,
            consistency: Consistency::Strong,
            index: MilvusIndexKind::default(),
            nprobe: None,
            ef_search: None,
            timeout: Duration::from_secs(30),
            retries: 5,
        }
    }

    /// Whether Milvus takes a name for a collection, a database or a partition.
    ///
    /// # Errors
    ///
    /// What a name is made of, in words.
    pub fn check_name(name: &str) -> Result<(), String> {
        let first = name.chars().next();
        let good = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && name.len() <= NAME
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if good {
            return Ok(());
        }
        Err(format!(
            "give a name of at most {NAME} letters, digits and underscores that does not begin with a digit"
        ))
    }
}

/// What is secret is not shown.
impl fmt::Debug for MilvusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MilvusConfig")
            .field("url", &self.url)
            .field("collection", &self.collection)
            .field("database", &self.database)
            .field("partition", &self.partition)
            .field("token", &self.token.as_ref().map(|_| "..."))
            .field("consistency", &self.consistency)
            .field("index", &self.index)
            .field("nprobe", &self.nprobe)
            .field("ef_search", &self.ef_search)
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish()
    }
}

/// The address of a Milvus: `http://host:19530`, `https://host` for TLS, or `milvus://host:19530/collection`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MilvusUrl {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The host's name or address, IPv6 in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The collection, where the address names one.
    pub collection: Option<String>,
}

impl FromStr for MilvusUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "give an address such as http://milvus:19530, https://milvus, or milvus://milvus:19530/collection";
        let (scheme, rest) = text.split_once("://").ok_or(EXAMPLE)?;
        let tls = match scheme {
            "http" | "milvus" => false,
            "https" => true,
            _ => return Err(EXAMPLE.to_owned()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(
                "leave user and password out of the address: they go in --milvus-token (MILVUS_TOKEN)"
                    .to_owned(),
            );
        }
        let authority: http::uri::Authority = authority.parse().map_err(|_| EXAMPLE)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => PORT,
            _ => authority.port_u16().ok_or(EXAMPLE)?,
        };
        let collection = match path.trim_end_matches('/') {
            "" => None,
            name => {
                MilvusConfig::check_name(name)
                    .map_err(|why| format!("the collection in the address is no name: {why}"))?;
                Some(name.to_owned())
            }
        };
        Ok(Self {
            tls,
            host: authority.host().to_owned(),
            port,
            collection,
        })
    }
}

impl fmt::Display for MilvusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// What a search sees of what was written before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Everything that was acknowledged, whoever wrote it. The default: with several replicas a search may
    /// come to another one than the upsert before it, and only this sees it there for certain.
    #[default]
    Strong,
    /// Everything up to some seconds ago.
    Bounded,
    /// Everything that the same process wrote.
    Session,
    /// Whatever is there by now.
    Eventually,
}

impl Consistency {
    const NAMES: [(&'static str, Self); 4] = [
        ("strong", Self::Strong),
        ("bounded", Self::Bounded),
        ("session", Self::Session),
        ("eventually", Self::Eventually),
    ];
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, level)| level == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Consistency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, level)| *level)
            .ok_or_else(|| "give strong, bounded, session or eventually".to_owned())
    }
}

/// An index of Milvus's that compares, or at last ranks, the vectors as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MilvusIndexKind(&'static str);

impl MilvusIndexKind {
    /// The kinds there are, in Milvus's words. Those that only keep compressed vectors are not among them.
    pub const NAMES: [&'static str; 9] = [
        "AUTOINDEX",
        "FLAT",
        "IVF_FLAT",
        "HNSW",
        "SCANN",
        "DISKANN",
        "GPU_BRUTE_FORCE",
        "GPU_IVF_FLAT",
        "GPU_CAGRA",
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Whether Milvus searches it on GPUs.
    pub fn is_on_gpu(self) -> bool {
        self.0.starts_with("GPU_")
    }

    /// Whether a search compares the query with every vector.
    pub fn misses_none(self) -> bool {
        matches!(self.0, "FLAT" | "GPU_BRUTE_FORCE")
    }
}

/// Milvus's choice.
impl Default for MilvusIndexKind {
    fn default() -> Self {
        Self(Self::NAMES[0])
    }
}

impl fmt::Display for MilvusIndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for MilvusIndexKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|name| **name == text);
        known
            .map(|name| Self(name))
            .ok_or_else(|| format!("give one of {}", Self::NAMES.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_a_port_and_perhaps_a_collection() {
        for (text, shown, collection) in [
            ("http://milvus:19531", "http://milvus:19531", None),
            ("http://milvus", "http://milvus:19530", None),
            ("https://a.b/", "https://a.b:19530", None),
            ("milvus://[::1]:1/docs", "http://[::1]:1", Some("docs")),
        ] {
            let url: MilvusUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.collection.as_deref(), collection);
        }
        for (text, says) in [
            ("milvus:19530", "such as"),
            ("ftp://milvus", "such as"),
            ("http://", "such as"),
            ("http://a:b", "such as"),
            ("http://a:99999", "such as"),
            ("http://root:Milvus@a", "--milvus-token"),
            ("milvus://a/b/c", "letters, digits"),
            ("milvus://a/1b", "letters, digits"),
        ] {
            let refusal = text.parse::<MilvusUrl>().expect_err(text);
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let mut config = MilvusConfig::new("http://a".parse().unwrap());
        config.token = Some("root:secret".to_owned());
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("secret") && shown.contains("..."),
            "{shown}"
        );
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, level) in Consistency::NAMES {
            assert_eq!(name.parse(), Ok(level));
            assert_eq!(level.to_string(), name);
        }
        assert!("Strong".parse::<Consistency>().is_err());
        for name in MilvusIndexKind::NAMES {
            assert_eq!(name.parse::<MilvusIndexKind>().unwrap().name(), name);
        }
        let refusal = "IVF_PQ".parse::<MilvusIndexKind>().unwrap_err();
        assert!(refusal.contains("AUTOINDEX"), "{refusal}");
        for (name, good) in [
            ("docs_2", true),
            ("", false),
            ("a b", false),
            ("a\"", false),
        ] {
            assert_eq!(MilvusConfig::check_name(name).is_ok(), good, "{name}");
        }
    }
}
