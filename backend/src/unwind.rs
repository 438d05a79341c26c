//! The tables with which a function's frames are found and left again: for debuggers, and exceptions.

use cranelift_codegen::gimli::RunTimeEndian;
use cranelift_codegen::gimli::write::{Address, DebugFrame, EndianVec, FrameTable};
use cranelift_codegen::ir::Endianness;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::{UnwindInfo, UnwindInfoKind};
use cranelift_codegen::{CodegenError, CodegenResult, CompiledCode};

/// The section `.debug_frame` with the entry of a function that lies at address 0. Nothing if the ISA has no
/// such tables.
pub fn debug_frame(code: &CompiledCode, isa: &dyn TargetIsa) -> CodegenResult<Option<Vec<u8>>> {
    let info = code.create_unwind_info_of_kind(isa, UnwindInfoKind::SystemV)?;
    let Some(UnwindInfo::SystemV(info)) = info else {
        return Ok(None);
    };
    let Some(common) = isa.create_systemv_cie() else {
        return Ok(None);
    };
    let mut table = FrameTable::default();
    let common = table.add_cie(common);
    table.add_fde(common, info.to_fde(Address::Constant(0)));
    let order = match isa.endianness() {
        Endianness::Big => RunTimeEndian::Big,
        Endianness::Little => RunTimeEndian::Little,
    };
    let mut section = DebugFrame(EndianVec::new(order));
    table
        .write_debug_frame(&mut section)
        .map_err(|error| CodegenError::Unsupported(error.to_string()))?;
    Ok(Some(section.0.into_vec()))
}

/// The `UNWIND_INFO` of Windows on x86-64. Nothing for another ISA.
pub fn windows(code: &CompiledCode, isa: &dyn TargetIsa) -> CodegenResult<Option<Vec<u8>>> {
    let info = code.create_unwind_info_of_kind(isa, UnwindInfoKind::Windows)?;
    let Some(UnwindInfo::WindowsX64(info)) = info else {
        return Ok(None);
    };
    let mut bytes = vec![0; info.emit_size()];
    info.emit(&mut bytes);
    Ok(Some(bytes))
}
