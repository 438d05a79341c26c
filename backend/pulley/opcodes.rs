//! The opcodes of the interpreter's version, for whoever encodes bytecode by hand.

use pulley_interpreter::{ExtendedOpcode, Opcode};
use std::io::{self, Write};

macro_rules! table {
    ($(
        $( #[$attribute:meta] )*
        $snake:ident = $name:ident $( { $( $( #[$of_field:meta] )* $field:ident : $type:ty ),* } )? ;
    )*) => {
        [$( (stringify!($snake), Opcode::$name as u8) ),*]
    };
}

macro_rules! extended_table {
    ($(
        $( #[$attribute:meta] )*
        $snake:ident = $name:ident $( { $( $( #[$of_field:meta] )* $field:ident : $type:ty ),* } )? ;
    )*) => {
        [$( (stringify!($snake), ExtendedOpcode::$name as u16) ),*]
    };
}

/// Prints the name of each instruction, and the bytes of its opcode.
pub fn all() -> io::Result<()> {
    let mut text = String::new();
    for (name, opcode) in pulley_interpreter::for_each_op!(table) {
        text += &format!("{name} {opcode:02x}\n");
    }
    let escape = Opcode::ExtendedOp as u8;
    for (name, opcode) in pulley_interpreter::for_each_extended_op!(extended_table) {
        let [low, high] = opcode.to_le_bytes();
        text += &format!("{name} {escape:02x}{low:02x}{high:02x}\n");
    }
    io::stdout().write_all(text.as_bytes())
}
