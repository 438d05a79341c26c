//! The instructions of bytecode, one a line: offset, length, mnemonic, operands.

use pulley_interpreter::decode::{Decoder, OpVisitor};
use pulley_interpreter::disas::Disassembler;
use std::io::{self, Read, Write};

/// Prints the instructions of the bytecode on standard input, from its start to its end, or to the
/// first bytes that are none.
pub fn all() -> io::Result<()> {
    let mut code = Vec::new();
    io::stdin().read_to_end(&mut code)?;
    let mut text = String::new();
    let mut decoder = Decoder::new();
    let mut visitor = Disassembler::new(&code);
    visitor.offsets(false).hexdump(false).br_tables(false);
    let (mut start, mut said) = (0, 0);
    while start < code.len() && decoder.decode_one(&mut visitor).is_ok() {
        let end = visitor.bytecode().position();
        let line = visitor.disas()[said..].trim();
        text += &format!("{start} {} {}\n", end - start, line.replace('\n', " "));
        (start, said) = (end, visitor.disas().len());
    }
    io::stdout().write_all(text.as_bytes())
}
