//! The data model of the guest, where it is not the host's: a module that is added to the copy of
//! Pulley's interpreter (`backend/build/retarget.rs`).
//!
//! A guest with addresses of 32 bits leaves the upper half of a register that holds one undefined,
//! and wraps around at 4 GiB. In its frames, the return address and the frame pointer take 4 bytes
//! each. Its heap bounds have its own width and byte order.

use super::*;
use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The bits of a number that are an address.
static ADDRESS_BITS: AtomicUsize = AtomicUsize::new(usize::MAX);
static BIG_ENDIAN: AtomicBool = AtomicBool::new(cfg!(target_endian = "big"));

/// Bytes of the two words in a frame of a guest with addresses of 32 bits.
const NARROW_LINKAGE: usize = 8;

/// Says what the guest's data model is, once and before any of its code runs.
pub fn choose(pointer_bits: u32, big_endian: bool) {
    ADDRESS_BITS.store(usize::MAX >> (usize::BITS - pointer_bits), Relaxed);
    BIG_ENDIAN.store(big_endian, Relaxed);
}

pub(super) fn is_narrow() -> bool {
    ADDRESS_BITS.load(Relaxed) != usize::MAX
}

/// The address that a number stands for.
pub(super) fn address(number: usize) -> usize {
    number & ADDRESS_BITS.load(Relaxed)
}

/// The place in memory that the guest means by a place beyond its address space.
pub(super) fn pointer<T>(place: *mut T) -> *mut T {
    with_exposed_provenance_mut(address(place.expose_provenance()))
}

/// What a register holds after an address has been written to it: above that, what it held before.
pub(super) fn replaced(register: usize, new: usize) -> usize {
    let bits = ADDRESS_BITS.load(Relaxed);
    register & !bits | new & bits
}

/// Loads a heap's bound.
///
/// # Safety
///
/// That of the bytecode.
pub(super) unsafe fn bound(place: *mut usize) -> usize {
    let place = pointer(place);
    let big_endian = BIG_ENDIAN.load(Relaxed);
    let in_order = |word: u64| {
        if big_endian {
            u64::from_be(word)
        } else {
            u64::from_le(word)
        }
    };
    if is_narrow() {
        // SAFETY: that of the bytecode.
        let word = u64::from(unsafe { place.cast::<u32>().read_unaligned() });
        return in_order(if big_endian { word << 32 } else { word }) as usize;
    }
    // SAFETY: as above.
    in_order(unsafe { place.cast::<u64>().read_unaligned() }) as usize
}

/// Instructions that make and undo frames, for guests with addresses of 32 bits.
impl Interpreter<'_> {
    pub(super) fn push_narrow_frame(&mut self) -> ControlFlow<Done> {
        self.push_narrow_frame_save(0, Default::default())
    }

    pub(super) fn push_narrow_frame_save(
        &mut self,
        amount: u16,
        registers: UpperRegSet<XReg>,
    ) -> ControlFlow<Done> {
        let before = self.state[XReg::sp].get_ptr::<u8>();
        let frame = pointer(before.wrapping_sub(NARROW_LINKAGE));
        self.set_sp::<crate::PushFrameSave>(pointer(frame.wrapping_sub(usize::from(amount))))?;
        let linkage = [self.state.fp, self.state.lr].map(|word| word as u32);
        // SAFETY: that of the bytecode.
        unsafe { frame.cast::<[u32; 2]>().write_unaligned(linkage) };
        self.state.fp = frame;
        let mut place = frame;
        for register in registers {
            place = pointer(place.wrapping_sub(8));
            // SAFETY: as above.
            unsafe {
                place
                    .cast::<u64>()
                    .write_unaligned(self.state[register].get_u64())
            };
        }
        ControlFlow::Continue(())
    }

    pub(super) fn pop_narrow_frame(&mut self) -> ControlFlow<Done> {
        let frame = self.state.fp;
        // SAFETY: that of the bytecode.
        let [fp, lr] = unsafe { frame.cast::<[u32; 2]>().read_unaligned() };
        self.set_sp_unchecked(pointer(frame.wrapping_add(NARROW_LINKAGE)));
        self.state.fp = with_exposed_provenance_mut(fp as usize);
        self.state.lr = match lr {
            u32::MAX => HOST_RETURN_ADDR,
            _ => with_exposed_provenance_mut(lr as usize),
        };
        ControlFlow::Continue(())
    }
}
