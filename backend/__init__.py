"""The real Cranelift: targets, compiling, linking, and the executors that run the machine code.

The extension ``backend._cranelift`` may lie in a ``backend`` folder of the environment instead of
this one: a checkout serves several environments, each with an extension of its own (see
``scripts/setup``). So that folder's contents count as part of this package too.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
