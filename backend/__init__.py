"""The real Cranelift, the ISAs that it compiles for, and the emulator that runs what it
compiles."""

from pkgutil import extend_path

# So that ``backend.cranelift`` finds the environment's extension: see there.
__path__ = extend_path(__path__, __name__)
