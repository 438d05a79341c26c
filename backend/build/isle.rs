//! Reads Cranelift's rules when the extension is built, and writes them down for Python.
//!
//! Parsing here rather than when the extension runs has two reasons: the rules are those of the
//! Cranelift that is linked, whatever becomes of its sources later, and the parser is not part of
//! what the coverage counters count.

use cranelift_codegen_meta::isle::{IsleCompilation, get_isle_compilations};
use cranelift_isle::ast::{Def, Expr, Extern, Fields, Ident, Pattern, Rule, TypeValue};
use cranelift_isle::files::Files;
use cranelift_isle::lexer::{Lexer, Pos};
use serde_json::{Value, json};
use std::panic;
use std::path::Path;

/// The sets of rules that are written down: the mid-end's, and those of each ISA.
const UNITS: [&str; 6] = ["opt", "x64", "aarch64", "riscv64", "s390x", "pulley"];

/// Reads the definitions of the Cranelift whose sources lie in a folder. Whatever goes wrong is an
/// error: the extension is of use without the rules, too.
pub fn read(sources: &Path, out: &Path) -> Result<Value, String> {
    println!("cargo:rerun-if-changed={}", file!());
    panic::catch_unwind(|| read_all(sources, out))
        .unwrap_or_else(|_| Err("cranelift-isle panicked".into()))
}

fn read_all(sources: &Path, out: &Path) -> Result<Value, String> {
    cranelift_codegen_meta::generate_isle(out).map_err(|error| error.to_string())?;
    let compilations = get_isle_compilations(sources, out);
    let units = UNITS.map(|name| {
        let unit = compilations.lookup(name);
        let unit = unit.ok_or_else(|| format!("there are no rules called {name}"))?;
        read_unit(unit, sources, out)
    });
    let units: Vec<Value> = units.into_iter().collect::<Result<_, _>>()?;
    Ok(json!({ "sources": sources.display().to_string(), "units": units }))
}

fn read_unit(unit: &IsleCompilation, sources: &Path, out: &Path) -> Result<Value, String> {
    let paths = unit.paths().map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for path in &paths {
        if let Ok(name) = path.strip_prefix(sources) {
            println!("cargo:rerun-if-changed={}", path.display());
            names.push(name.display().to_string());
        } else {
            let name = path.strip_prefix(out).unwrap_or(path);
            names.push(name.display().to_string());
        }
    }
    let files = Files::from_paths(&paths, &[])
        .map_err(|(path, error)| format!("{}: {error}", path.display()))?;
    let mut definitions = Definitions::default();
    for (index, text) in files.file_texts.iter().enumerate() {
        let parsed = Lexer::new(index, text).and_then(cranelift_isle::parser::parse);
        let parsed = parsed.map_err(|error| format!("{}: {error:?}", names[index]))?;
        // What cargo's output folder holds is generated: constructors of opcodes and instructions.
        let generated = paths[index].starts_with(out);
        for definition in &parsed {
            definitions.add(definition, generated, |pos| place(&files, &names, pos));
        }
    }
    Ok(definitions.to_json(&unit.name))
}

fn place(files: &Files, names: &[String], pos: Pos) -> Value {
    let line = files
        .file_line_map(pos.file)
        .map_or(0, |map| map.line(pos.offset))
        + 1;
    json!([names[pos.file], line])
}

#[derive(Default)]
struct Definitions {
    rules: Vec<Value>,
    extractors: Vec<Value>,
    terms: Vec<Value>,
    enums: Vec<Value>,
    external: Vec<Value>,
}

impl Definitions {
    fn add(&mut self, definition: &Def, generated: bool, place: impl Fn(Pos) -> Value) {
        match definition {
            Def::Rule(rule) if !generated => self.rules.push(self::rule(rule, place(rule.pos))),
            Def::Extractor(extractor) => self.extractors.push(json!([
                extractor.term.0,
                names(&extractor.args),
                pattern(&extractor.template)
            ])),
            Def::Decl(term) => {
                self.terms
                    .push(json!([term.term.0, names(&term.arg_tys), term.ret_ty.0]));
            }
            Def::Type(type_) => {
                if let TypeValue::Enum(variants, _) = &type_.ty {
                    let variants: Vec<Value> = variants
                        .iter()
                        .map(|variant| json!([variant.name.0, field_types(&variant.fields)]))
                        .collect();
                    self.enums.push(json!([type_.name.0, variants]));
                }
            }
            Def::Extern(Extern::Extractor { term, .. }) => self.external.push(json!(term.0)),
            _ => {}
        }
    }

    fn to_json(&self, name: &str) -> Value {
        json!({
            "name": name,
            "rules": self.rules,
            "extractors": self.extractors,
            "terms": self.terms,
            "enums": self.enums,
            "external": self.external,
        })
    }
}

fn rule(rule: &Rule, place: Value) -> Value {
    let conditions: Vec<Value> = rule
        .iflets
        .iter()
        .map(|condition| json!([pattern(&condition.pattern), expr(&condition.expr)]))
        .collect();
    json!([
        place,
        rule.name.as_ref().map(|name| &name.0),
        rule.prio.unwrap_or(0),
        pattern(&rule.pattern),
        conditions,
        expr(&rule.expr)
    ])
}

fn names(idents: &[Ident]) -> Vec<&str> {
    idents.iter().map(|ident| ident.0.as_str()).collect()
}

fn field_types(fields: &Fields) -> Vec<&str> {
    match fields {
        Fields::Unit => Vec::new(),
        Fields::Struct(fields) => fields
            .fields
            .iter()
            .map(|field| field.ty.0.as_str())
            .collect(),
        Fields::Tuple(fields) => fields
            .fields
            .iter()
            .map(|field| field.ty.0.as_str())
            .collect(),
    }
}

/// Patterns and expressions share the form `[kind, ...]`. Integers are texts: they have 128 bits.
fn pattern(node: &Pattern) -> Value {
    match node {
        Pattern::Var { var, .. } => json!(["var", var.0]),
        Pattern::BindPattern { var, subpat, .. } => json!(["bind", var.0, pattern(subpat)]),
        Pattern::ConstBool { val, .. } => json!(["bool", val]),
        Pattern::ConstInt { val, .. } => json!(["int", val.to_string()]),
        Pattern::ConstPrim { val, .. } => json!(["const", val.0]),
        Pattern::Term { sym, args, .. } => json!(["term", sym.0, patterns(args)]),
        Pattern::Wildcard { .. } => json!(["any"]),
        Pattern::And { subpats, .. } => json!(["and", patterns(subpats)]),
        Pattern::MacroArg { .. } => unreachable!("only in the middle of the compiler"),
    }
}

fn patterns(nodes: &[Pattern]) -> Vec<Value> {
    nodes.iter().map(pattern).collect()
}

fn expr(node: &Expr) -> Value {
    match node {
        Expr::Term { sym, args, .. } => {
            json!(["term", sym.0, args.iter().map(expr).collect::<Vec<_>>()])
        }
        Expr::Var { name, .. } => json!(["var", name.0]),
        Expr::ConstBool { val, .. } => json!(["bool", val]),
        Expr::ConstInt { val, .. } => json!(["int", val.to_string()]),
        Expr::ConstPrim { val, .. } => json!(["const", val.0]),
        Expr::Let { defs, body, .. } => {
            let defs: Vec<Value> = defs
                .iter()
                .map(|def| json!([def.var.0, def.ty.0, expr(&def.val)]))
                .collect();
            json!(["let", defs, expr(body)])
        }
    }
}
