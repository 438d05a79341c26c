"""Make an environment and keep it up to date: Python packages and the extension.

Called by ``scripts/setup``::

    python scripts/environment check|setup [--cranelift DIR|VERSION] [--toolchain NAME]
                                           [--assertions on|off]

Both print the environment's folder on success. ``check`` does nothing slow; it exits with 1 if
anything is missing or out of date. ``setup`` brings the environment up to date; if it cannot, it
exits with 2 after one line on stderr.

This runs on whatever Python the machine has, so it uses the standard library only.
"""

from __future__ import annotations

import argparse
import os
import sys

from extension import build_extension, require_buildable
from locking import exclusive
from messages import SetupError, fail
from packages import install_packages
from precompute import precompute
from stamps import Stamps
from toolchain import require
from variant import Variant
from versions import ROOT


def main() -> int:
    """Carry out the command line, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/environment")
    parser.add_argument("action", choices=("check", "setup"))
    parser.add_argument("--cranelift", default="")
    parser.add_argument("--toolchain", default="")
    parser.add_argument("--assertions", default="")
    options = parser.parse_args()
    try:
        variant = Variant.of(options.cranelift, options.assertions, options.toolchain)
        if options.toolchain:
            os.environ["RUSTUP_TOOLCHAIN"] = options.toolchain  # for cargo and rustc
        if options.action == "setup":
            set_up(variant)
        elif not up_to_date(variant):
            return 1
    except SetupError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    print(variant.folder)
    return 0


def up_to_date(variant: Variant) -> bool:
    """Return whether nothing is to be done.

    Never true for a local Cranelift: only cargo knows whether its files have changed.
    """
    stamps = Stamps(variant)
    return stamps.packages_current() and not _need_extension(stamps)


def set_up(variant: Variant) -> None:
    """Bring an environment up to date, one process at a time.

    Raises:
        SetupError: it cannot be done.
    """
    with exclusive(ROOT / f"{variant.folder.name}.lock"):
        stamps = Stamps(variant)
        need_packages = not stamps.packages_current()
        if need_packages or _need_extension(stamps):
            require(extension=_need_extension(stamps))
        if _need_extension(stamps):
            require_buildable(variant, built_before=stamps.usable())
        if need_packages:
            install_packages(variant, fresh=not stamps.usable())
            stamps.mark_packages()
        if _need_extension(stamps):
            build_extension(variant)
            stamps.mark_extension()
            precompute(variant)


def _need_extension(stamps: Stamps) -> bool:
    return stamps.variant.cranelift is not None or not stamps.extension_current()


if __name__ == "__main__":
    sys.exit(main())
