"""Sees to an environment: virtual environment, packages, extension. Called by ``scripts/setup``.

    python scripts/environment check|setup [--cranelift DIR] [--assertions on|off]

Both print the environment's folder if all went well. ``check`` does nothing slow: it exits with 1
where anything is missing or out of date. ``setup`` brings it up to date, and exits with 2 and one
line on stderr where it cannot.

It runs on whatever Python the machine has, so it uses the standard library only.
"""

from __future__ import annotations

import argparse
import sys

from extension import build_extension
from locking import exclusive
from messages import SetupError, fail
from packages import install_packages
from stamps import Stamps
from toolchain import require
from variant import ROOT, Variant


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/environment")
    parser.add_argument("action", choices=("check", "setup"))
    parser.add_argument("--cranelift", default="")
    parser.add_argument("--assertions", default="")
    options = parser.parse_args()
    try:
        variant = Variant.of(options.cranelift, options.assertions)
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
    """Whether nothing is to be done. A local Cranelift may have changed: there cargo decides."""
    stamps = Stamps(variant)
    return stamps.packages_current() and not _need_extension(stamps)


def set_up(variant: Variant) -> None:
    with exclusive(ROOT / f"{variant.folder.name}.lock"):
        stamps = Stamps(variant)
        need_packages = not stamps.packages_current()
        if need_packages or _need_extension(stamps):
            require(extension=_need_extension(stamps))
        if need_packages:
            install_packages(variant, fresh=not stamps.usable())
            stamps.mark_packages()
        if _need_extension(stamps):
            build_extension(variant)
            stamps.mark_extension()


def _need_extension(stamps: Stamps) -> bool:
    return stamps.variant.cranelift is not None or not stamps.extension_current()


if __name__ == "__main__":
    sys.exit(main())
