//! The registers: what they hold at a start, and what code left in them.

use crate::SP;
use crate::page::{self, Page};
use pulley_interpreter::interp::{FRegVal, VRegVal, Vm, XRegVal};
use pulley_interpreter::regs::{FReg, Reg, VReg, XReg};
use std::ptr;

/// The return address that makes the interpreter return to us.
const HOST: usize = usize::MAX;

pub fn load(page: &Page, vm: &mut Vm) {
    for register in all::<XReg>() {
        vm[register] = XRegVal::new_u64(page.get(page::INTEGERS + register.index()));
    }
    vm[SP] = XRegVal::new_u64(page.get(page::STACK_POINTER));
    for register in all::<FReg>() {
        let bits = page.get(page::FLOATS + register.index());
        vm[register] = FRegVal::new_f64(f64::from_bits(bits));
    }
    for register in all::<VReg>() {
        let [low, high] = [0, 1].map(|half| page.get(page::VECTORS + 2 * register.index() + half));
        vm[register] = VRegVal::new_u128(u128::from(low) | u128::from(high) << 64);
    }
    // SAFETY: they are numbers to whoever is below us.
    unsafe {
        vm.set_fp(address(page.get(page::FRAME_POINTER) as usize));
        vm.set_lr(address(HOST));
    }
}

fn address(number: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(number)
}

/// Leaves the registers where the host reads them: `x`, `f` and `v` registers, frame pointer,
/// return address, program counter; and behind them the address of an access that failed.
pub fn save(page: &Page, vm: &Vm, pc: u64, failed: u64) {
    let mut place: *mut u64 = ptr::with_exposed_provenance_mut(page::REGISTERS as usize);
    let mut put = |word: u64| {
        // SAFETY: the host has mapped this memory.
        unsafe {
            place.write_volatile(page.ordered(word));
            place = place.add(1);
        }
    };
    all::<XReg>().for_each(|register| put(vm[register].get_u64()));
    all::<FReg>().for_each(|register| put(vm[register].get_f64().to_bits()));
    for register in all::<VReg>() {
        let bits = vm[register].get_u128();
        put(bits as u64);
        put((bits >> 64) as u64);
    }
    put(vm.fp().expose_provenance() as u64);
    put(vm.lr().expose_provenance() as u64);
    put(pc);
    // As in `siginfo_t`, the address is the third word.
    let information = page::REGISTERS + page::INFORMATION_OFFSET;
    let failed_at: *mut u64 = ptr::with_exposed_provenance_mut(information as usize + 16);
    // SAFETY: as above.
    unsafe { failed_at.write_volatile(page.ordered(failed)) };
    page.set(page::CONTEXT, page::REGISTERS);
    page.set(page::INFORMATION, information);
}

fn all<R: Reg>() -> impl Iterator<Item = R> {
    R::RANGE.filter_map(R::new)
}
