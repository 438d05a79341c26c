"""Cranelift itself: compiling, reading, its metadata, settings, ISLE rules and coverage counters.

The extension ``backend.cranelift._cranelift`` lies in a ``backend/cranelift`` folder of the
environment, because several environments share one checkout and each has an extension of its own
(see ``scripts/setup``). That folder is made part of this package.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
