"""What x86-64 code may need of a CPU, by the names that iced-x86 has for CPUID's bits."""

from __future__ import annotations

from typing import Final

from backend.isa.parts import CpuFeatures

#: What the first x86-64 CPUs had. CET's landing pads do nothing on a CPU without it.
_BASELINE: Final = frozenset(
    ["INTEL8086", "INTEL186", "INTEL286", "INTEL386", "INTEL486", "X64", "FPU", "FPU387", "MMX"]
    + ["SSE", "SSE2", "CMOV", "CX8", "FXSR", "MULTIBYTENOP", "PAUSE", "CET_IBT"]
)
_SSE3: Final = frozenset({"SSE3"})
_SSSE3: Final = _SSE3 | {"SSSE3"}
_SSE41: Final = _SSSE3 | {"SSE4_1"}
_SSE42: Final = _SSE41 | {"SSE4_2"}
_AVX: Final = _SSE42 | {"AVX"}
_AVX512F: Final = _AVX | {"AVX2", "FMA", "AVX512F"}

#: With each feature come those that no CPU has it without, so that what is reported is an
#: instruction that may be missing on a real CPU.
CPU_FEATURES: Final = CpuFeatures(
    baseline=_BASELINE,
    of_flag={
        "has_sse3": _SSE3,
        "has_ssse3": _SSSE3,
        "has_sse41": _SSE41,
        "has_sse42": _SSE42,
        "has_popcnt": frozenset({"POPCNT"}),
        "has_lzcnt": frozenset({"LZCNT"}),
        "has_bmi1": frozenset({"BMI1"}),
        "has_bmi2": frozenset({"BMI2"}),
        "has_cmpxchg16b": frozenset({"CMPXCHG16B"}),
        "has_avx": _AVX,
        "has_avx2": _AVX | {"AVX2"},
        "has_fma": _AVX | {"FMA"},
        "has_avx_vnni": _AVX | {"AVX2", "AVX_VNNI"},
        "has_avx512f": _AVX512F,
        "has_avx512vl": _AVX512F | {"AVX512VL"},
        "has_avx512dq": _AVX512F | {"AVX512DQ"},
        "has_avx512vbmi": _AVX512F | {"AVX512_VBMI", "AVX512BW"},
        "has_avx512bitalg": _AVX512F | {"AVX512_BITALG", "AVX512BW"},
        "has_avx512vnni": _AVX512F | {"AVX512_VNNI"},
    },
)
