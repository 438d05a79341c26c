"""Cranelift itself: compiling, reading, its metadata, settings, ISLE rules and coverage counters.

The extension ``backend.cranelift._cranelift`` lies in a ``backend/cranelift`` folder of the
environment: a checkout serves several environments, each with an extension of its own (see
``scripts/setup``). So that folder's contents count as part of this package too.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
