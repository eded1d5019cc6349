//! The words of texts, as the store of one machine takes them apart.
//!
//! Milvus takes texts apart too, but each of its servers in its own way: whether "ships" is "ship", and whether
//! `index_size` is one word or two, is not the same in all of them. So the words stand in a field of their own,
//! already taken apart by SQLite's FTS5, and the same words find the same items on one machine and in a cluster.

use std::cell::RefCell;

use rusqlite::Connection;

use super::MilvusError;
use super::fields::MOST_TEXT;
use crate::store::TOKENIZER;

/// The words of each text between spaces, in their order and as often as they occur. Of a text whose words
/// take more bytes than a field does, which some alphabets need, the last ones are left out.
pub(super) fn of(texts: &[&str]) -> Result<Vec<String>, MilvusError> {
    taken_apart(texts).map_err(|error| MilvusError::Words {
        message: error.to_string(),
    })
}

thread_local! {
    /// Empty between two uses. Making it takes longer than what most texts take.
    static MEMORY: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

fn memory() -> rusqlite::Result<Connection> {
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(&format!(
        "
        CREATE VIRTUAL TABLE texts USING fts5 (text, content = '', tokenize = '{TOKENIZER}');
        CREATE VIRTUAL TABLE words USING fts5vocab (texts, 'instance');
        "
    ))?;
    Ok(memory)
}

fn taken_apart(texts: &[&str]) -> rusqlite::Result<Vec<String>> {
    // One that failed is not put back.
    let mut memory = match MEMORY.take() {
        Some(memory) => memory,
        None => memory()?,
    };
    let all = words_in(&mut memory, texts)?;
    MEMORY.set(Some(memory));
    Ok(all)
}

fn words_in(memory: &mut Connection, texts: &[&str]) -> rusqlite::Result<Vec<String>> {
    // Never committed, so that nothing of it stays.
    let transaction = memory.transaction()?;
    {
        let mut insert =
            transaction.prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?;
        for (row, text) in (0_i64..).zip(texts) {
            insert.execute((row, text))?;
        }
    }
    let mut select =
        transaction.prepare_cached("SELECT doc, term FROM words ORDER BY doc, \"offset\"")?;
    let mut found = select.query([])?;
    let mut all = vec![String::new(); texts.len()];
    while let Some(word) = found.next()? {
        let row: i64 = word.get(0)?;
        let term = word.get_ref(1)?.as_str()?;
        let words = usize::try_from(row).ok().and_then(|row| all.get_mut(row));
        let Some(words) = words else { continue };
        if words.len() + 1 + term.len() <= MOST_TEXT {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(term);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_text_search_of_one_machine() {
        let texts = [
            "Ships are running, a SHIP ran: index_size=4.5!",
            "",
            "Gr\u{f6}\u{df}e na\u{ef}ve \u{0} x\u{b2} \u{1f600}",
            "... \u{1f680} \"'",
        ];
        assert_eq!(
            of(&texts).unwrap(),
            [
                "ship ar run a ship ran index size 4 5",
                "",
                "gro\u{df} naiv x\u{b2}",
                ""
            ]
        );
        assert!(of(&[]).unwrap().is_empty());
        // Nothing stays of what was before.
        assert_eq!(of(&["other ships"]).unwrap(), ["other ship"]);
    }

    #[test]
    fn words_that_take_more_than_a_field_lose_their_end() {
        // In lower case this letter takes three bytes instead of two.
        let long = format!("first {}", "\u{23a}b ".repeat(16_000));
        let words = of(&[&long]).unwrap().pop().unwrap();
        assert!(words.starts_with("first \u{2c65}b "), "{words:.20}");
        assert!((MOST_TEXT - 5..=MOST_TEXT).contains(&words.len()));
    }
}
