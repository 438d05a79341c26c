//! What Cranelift's parser must not see: it fills its tables up to the number of each value, block
//! or other entity that it meets, so that one word of a text could take gigabytes.

use crate::errors;
use pyo3::prelude::*;

/// A table of a million entries, whose numbers have fewer digits than this, is some 100 MB.
const DIGITS: usize = 7;
/// Longer texts may have more: no entity is said to be there in fewer bytes.
const BYTES_OF_AN_ENTITY: usize = 4;
/// The prefixes whose numbers are positions in such a table.
const FILLED: [&str; 8] = ["v", "block", "ss", "dss", "dt", "gv", "sig", "fn"];

/// Raises `ReadError` for a text with an entity of a number beyond a million that the text is too short
/// for.
pub fn check(py: Python<'_>, text: &str) -> PyResult<()> {
    match first_beyond(text) {
        None => Ok(()),
        Some((entity, line)) => {
            let message = format!("{entity} is too large a number");
            Err(errors::line_error(py, line, &message))
        }
    }
}

fn is_beyond(number: &str, bytes: usize) -> bool {
    let most = bytes / BYTES_OF_AN_ENTITY;
    number.parse().map_or(true, |number: usize| number > most)
}

/// The first such entity, and its line.
fn first_beyond(text: &str) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let mut digits = 0;
    for end in 0..=bytes.len() {
        if bytes.get(end).is_some_and(u8::is_ascii_digit) {
            digits += 1;
            continue;
        }
        if digits >= DIGITS
            && is_beyond(&text[end - digits..end], text.len())
            && let Some(entity) = entity_before(&text[..end], digits)
        {
            return Some((entity, 1 + text[..end].matches('\n').count()));
        }
        digits = 0;
    }
    None
}

fn entity_before(text: &str, digits: usize) -> Option<&str> {
    let head = &text[..text.len() - digits];
    let prefix = trailing_letters(head);
    let before = &head[..head.len() - prefix.len()];
    let within_name = before.ends_with(|c: char| c == '%' || c == '_' || c.is_ascii_alphanumeric());
    let line = &before[before.rfind('\n').map_or(0, |position| position + 1)..];
    // A semicolon may be in a string; then the rest of the line might still be code.
    let comment = line.contains(';') && !line.contains('"');
    (FILLED.contains(&prefix) && !within_name && !comment)
        .then(|| &text[text.len() - digits - prefix.len()..])
}

fn trailing_letters(text: &str) -> &str {
    &text[text
        .trim_end_matches(|c: char| c.is_ascii_lowercase())
        .len()..]
}
