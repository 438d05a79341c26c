//! Makes a copy of Pulley's interpreter for guests whose data model is not the host's.
//!
//! The published interpreter takes all bits of a register for an address, and has return addresses,
//! frame pointers and heap bounds in the host's width and byte order. So Wasmtime runs bytecode with
//! addresses of 32 bits on hosts with such addresses only. The copy is told the guest's width and
//! byte order when it starts; every other instruction is as published.
//!
//! What is replaced is a few places of one file. If one of them is not as expected, there is no copy.

use std::fs;
use std::path::Path;

const FILE: &str = "src/interp.rs";

/// A text, what it is replaced by, and how often it occurs. `$` stands for the text itself.
const REPLACED: [(&str, &str, usize); 12] = [
    ("mod debug;", "$\npub mod guest;", 1),
    (
        "usize::from_le(ptr)",
        "guest::address(usize::from_le(ptr))",
        1,
    ),
    (
        "= ptr.expose_provenance().to_le();",
        "= guest::replaced(usize::from_le(unsafe { self.0.ptr }), ptr.expose_provenance()).to_le();",
        1,
    ),
    (
        "self.addr::<T, I>(i)?.read_unaligned()",
        "guest::pointer(self.addr::<T, I>(i)?).read_unaligned()",
        1,
    ),
    (
        "self.addr::<T, I>(i)?.write_unaligned(val)",
        "guest::pointer(self.addr::<T, I>(i)?).write_unaligned(val)",
        1,
    ),
    (
        "i.state[self.host_heap_bound].get_u64() as usize",
        "guest::address($)",
        1,
    ),
    ("bound - offset - size_of::<T>()", "guest::address($)", 2),
    (
        "*i.state[self.host_heap_bound_addr]",
        "guest::bound(i.state[self.host_heap_bound_addr]",
        1,
    ),
    (
        ".byte_add(usize::from(self.host_heap_bound_offset))",
        "$)",
        1,
    ),
    (
        "fn push_frame(&mut self) -> ControlFlow<Done> {",
        "$ if guest::is_narrow() { return self.push_narrow_frame(); }",
        1,
    ),
    (
        "fn push_frame_save(&mut self, amt: u16, regs: UpperRegSet<XReg>) -> ControlFlow<Done> {",
        "$ if guest::is_narrow() { return self.push_narrow_frame_save(amt, regs); }",
        1,
    ),
    (
        "fn pop_frame(&mut self) -> ControlFlow<Done> {",
        "$ if guest::is_narrow() { return self.pop_narrow_frame(); }",
        1,
    ),
];

/// Copies the crate whose manifest is given, with the module `guest`, whose source is another file.
pub fn copy(manifest: &Path, guest: &Path, to: &Path) -> Result<(), String> {
    let from = manifest.parent().ok_or("the interpreter has no folder")?;
    copy_folder(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    let write = |file: &str, text: &str| {
        fs::write(to.join(file), text).map_err(|error| format!("{file}: {error}"))
    };
    let guest =
        fs::read_to_string(guest).map_err(|error| format!("{}: {error}", guest.display()))?;
    write("src/interp/guest.rs", &guest)?;
    let text = fs::read_to_string(to.join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    write(FILE, &retargeted(text)?)
}

fn retargeted(mut text: String) -> Result<String, String> {
    for (old, new, count) in REPLACED {
        let found = text.matches(old).count();
        if found != count {
            return Err(format!(
                "its interpreter is not as expected: {FILE} has `{old}` {found} times, not {count}"
            ));
        }
        text = text.replace(old, &new.replace('$', old));
    }
    Ok(text)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::write(target, fs::read(entry.path())?)?; // not its permissions
        }
    }
    Ok(())
}
