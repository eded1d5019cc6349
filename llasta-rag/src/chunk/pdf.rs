//! PDF: a section per page.
//!
//! Files come from anywhere, and the parser below panics on some of them. It therefore runs on a thread
//! of its own, with a stack that deep nesting does not overflow, and page by page: a damaged page costs
//! that page.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Dictionary, Document, Object, PlainTextOutput, output_doc_page};

use super::document::Section;
use super::text;

/// The name of the thread that PDFs are read on: who prints panics can tell them from others by it.
pub const PDF_THREAD: &str = "llasta-pdf";

const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Why a PDF gives no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PdfError {
    /// A password is needed.
    #[error("the PDF is encrypted: save it without a password first")]
    Encrypted,
    /// There are pages, but no text on them.
    #[error(
        "the PDF has no text on its {pages} pages, which are probably scanned: recognise the text first, for example with ocrmypdf"
    )]
    NoText {
        /// How many pages there are.
        pages: usize,
    },
    /// No page can be read.
    #[error("the PDF is damaged ({reason}): open it in a viewer and save it anew")]
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
}

/// What was read of a PDF.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) title: Option<String>,
    pub(super) sections: Vec<Section>,
    /// Pages that are damaged.
    pub(super) unread: Vec<u32>,
}

/// Reads a PDF, page by page.
pub(super) fn parse(bytes: Vec<u8>) -> Result<Pages, PdfError> {
    let damaged = |reason: &str| PdfError::Damaged {
        reason: reason.to_owned(),
    };
    let reading = std::thread::Builder::new()
        .name(PDF_THREAD.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || read(&bytes))
        .map_err(|error| damaged(&format!("no thread to read it on: {error}")))?;
    reading
        .join()
        .unwrap_or_else(|_| Err(damaged("its structure makes no sense")))
}

fn read(bytes: &[u8]) -> Result<Pages, PdfError> {
    let damaged = |error: &dyn std::fmt::Display| PdfError::Damaged {
        reason: error.to_string(),
    };
    let mut document = Document::load_mem(bytes).map_err(|error| match error {
        pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword => {
            PdfError::Encrypted
        }
        error => damaged(&error),
    })?;
    // Many are encrypted with the empty password, only to forbid printing.
    let encrypted = document.trailer.has(b"Encrypt");
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(PdfError::Encrypted);
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    if encrypted && pages.is_empty() {
        return Err(PdfError::Encrypted);
    }
    let mut sections = Vec::new();
    let mut unread = Vec::new();
    for &page in &pages {
        match catch_unwind(AssertUnwindSafe(|| page_text(&document, page))) {
            Ok(Some(text)) => {
                sections.extend(text::parse(&text).into_iter().map(|section| Section {
                    page: Some(page),
                    ..section
                }));
            }
            Ok(None) | Err(_) => unread.push(page),
        }
    }
    if pages.is_empty() {
        return Err(damaged(&"it has no pages"));
    }
    if unread.len() == pages.len() {
        return Err(damaged(&"no page of it can be read"));
    }
    if sections.is_empty() {
        return Err(PdfError::NoText { pages: pages.len() });
    }
    Ok(Pages {
        title: title(&document),
        sections,
        unread,
    })
}

fn page_text(document: &Document, page: u32) -> Option<String> {
    let mut text = String::new();
    output_doc_page(document, &mut PlainTextOutput::new(&mut text), page).ok()?;
    // A soft hyphen marks where a word was broken for the line; NUL and the like are font codes.
    let text = text.replace("\u{ad}\n", "").replace('\u{ad}', "");
    Some(text.replace(|c: char| c.is_control() && !c.is_whitespace(), ""))
}

fn title(document: &Document) -> Option<String> {
    let information = document.trailer.get(b"Info").ok()?;
    let information: &Dictionary = match information {
        Object::Reference(id) => document.get_dictionary(*id).ok()?,
        other => other.as_dict().ok()?,
    };
    let title = pdf_extract::decode_text_string(information.get(b"Title").ok()?).ok()?;
    Some(super::collapse(&title)).filter(|title| !title.is_empty())
}
