//! Names of functions, as all parts of the project spell them.

use cranelift_codegen::ir::{ExternalName, Function};

/// A function's name without its `%`.
pub fn name(function: &Function) -> String {
    let name = function.name.to_string();
    name.strip_prefix('%').map(str::to_owned).unwrap_or(name)
}

/// A name that a function refers to. `userextname0` in a text that declares no such name is printed like
/// that: Cranelift panics.
pub fn external(name: &ExternalName, function: &Function) -> String {
    let params = &function.params;
    let declared = match name {
        ExternalName::User(number) => params.user_named_funcs().get(*number).is_some(),
        _ => true,
    };
    name.display(declared.then_some(params)).to_string()
}

/// What a relocation of a function's code refers to.
pub fn relocated(name: &ExternalName, function: &Function) -> String {
    match name {
        ExternalName::LibCall(call) => format!("LibCall:{call}"),
        ExternalName::KnownSymbol(symbol) => format!("KnownSymbol:{symbol}"),
        named => external(named, function),
    }
}
