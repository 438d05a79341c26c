"""The header of a case's file: settings, targets, and what Cranelift's format has no word for.

The latter is written as comments, which Cranelift's tools skip::

    ; origin: seed 1 case 7
    ; trapping
    ; byte order: big
    ; chaos: 00ff12
    ; inlining: 0105
    ; check: unwind
    ; configuration: opt_level=none | ISA has_flag | ISA | chaos 00ff | inlining 01

``byte order`` is there if it matters and is not that of the ``target`` lines, or is big. Each
``configuration`` is one more to compile the case with: settings, flags of ISAs, the bytes of chaos
mode and of the inliner. The lines of its memory are those of ``fuzz.cases.region_lines``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backend.isa.registry import ISAS
from clif.byte_order import BYTE_ORDERS, ByteOrder, depends_on_byte_order
from clif.outcome import Inputs
from clif.testfile import Comment, TestFile
from fuzz.cases.case import DEFAULT_SETTINGS, Case, Configuration, ExtraCheck, effective_settings
from fuzz.cases.file_header import FileHeader, TargetSpec
from fuzz.cases.region_lines import RegionLineError, RegionLines, format_region

_CHAOS = "chaos"
_INLINING = "inlining"


class HeaderError(ValueError):
    """The header is malformed: what is wrong, with the line if one is to blame."""


# --- writing ---


#: The tests that a case's file asks for.
CASE_TESTS = ("interpret", "run")


def format_header(
    case: Case, isas: Sequence[str], tests: Sequence[str] = CASE_TESTS
) -> Iterator[str]:
    """Yield the lines of a case's header.

    Args:
        isas: get a ``target`` line each if the case is for them. So do ISAs that the case has flags
            for.
        tests: get a ``test`` line each; a case without inputs has ``test compile``.
    """
    yield from _format_comments(case)
    tests = tests if case.inputs.count else ("compile",)
    if case.byte_order == "big" and depends_on_byte_order(case.functions):
        tests = [test for test in tests if test != "interpret"]  # has the byte order of its machine
    yield from (f"test {test}" for test in tests)
    targets = dict.fromkeys([*case.isas, *filter(case.is_for, [*isas, *case.isa_settings])])
    for name, value in effective_settings(case, *targets).items():
        yield f"set {name}={value}"
    for isa in targets:
        yield " ".join([f"target {isa}", *_flag_words(case.isa_settings.get(isa, {}))])


def _format_comments(case: Case) -> Iterator[str]:
    if case.origin:
        yield f"; origin: {' '.join(case.origin.split())}"
    if case.trapping:
        yield "; trapping"
    if case.order is not None and depends_on_byte_order(case.functions):
        yield f"; byte order: {case.order}"
    if case.chaos:
        yield f"; {_CHAOS}: {case.chaos.hex()}"
    if case.inlining:
        yield f"; {_INLINING}: {case.inlining.hex()}"
    for check in sorted(case.checks):
        yield f"; check: {check}"
    if case.inputs.region is not None:
        yield from format_region(case.inputs.region)
    for configuration in case.alternatives:
        yield f"; configuration: {' | '.join(_configuration_parts(configuration))}"


def _configuration_parts(configuration: Configuration) -> Iterator[str]:
    settings = DEFAULT_SETTINGS | configuration.settings
    yield " ".join(f"{name}={value}" for name, value in settings.items())
    for isa, flags in configuration.isa_settings.items():
        yield " ".join([isa, *_flag_words(flags)])
    if configuration.chaos:
        yield f"{_CHAOS} {configuration.chaos.hex()}"
    if configuration.inlining:
        yield f"{_INLINING} {configuration.inlining.hex()}"


def _flag_words(flags: Mapping[str, str]) -> list[str]:
    """Return ISA flags as a target line has them.

    A preset can only be switched on, by its bare name, which switches on flags as well.
    """
    return [name if value == "true" else f"{name}={value}" for name, value in flags.items()]


# --- reading ---


@dataclass(slots=True)
class _HeaderComments:
    """What the comments of a header say."""

    origin: str = ""
    trapping: bool = False
    order: ByteOrder | None = None
    chaos: bytes = b""
    inlining: bytes = b""
    checks: set[ExtraCheck] = field(default_factory=set)
    region: RegionLines = field(default_factory=RegionLines)
    configurations: list[Configuration] = field(default_factory=list)


def read_header(file: TestFile, header: FileHeader, origin: str) -> Case:
    """Return a case without functions and inputs, but with everything that the header says.

    Args:
        header: the file's lines above its functions.
        origin: the case's origin if the header does not say it.

    Raises:
        HeaderError: a comment of the header is malformed.
    """
    comments = _HeaderComments()
    for comment in file.preamble:
        _read_comment(comment, comments)
    targets = {target.isa: target for target in reversed(header.targets)}
    targets = {isa: targets[isa] for isa in dict.fromkeys(t.isa for t in header.targets)}
    try:
        region = comments.region.region()
    except RegionLineError as error:
        raise HeaderError(str(error)) from error
    return Case(
        functions=[],
        inputs=Inputs(0, [], region),
        settings=_settings(header, targets.values()),
        isa_settings={isa: dict(target.flags) for isa, target in targets.items()},
        trapping=comments.trapping,
        chaos=comments.chaos,
        order=comments.order,
        inlining=comments.inlining,
        checks=frozenset(comments.checks),
        origin=comments.origin or origin,
        isas=tuple(targets),
        alternatives=tuple(comments.configurations),
    )


def _read_comment(comment: Comment, comments: _HeaderComments) -> None:
    word, _, rest = comment.text.lstrip("; ").partition(":")
    rest = rest.strip()
    try:
        match word.strip():
            case "origin":
                comments.origin = rest
            case "trapping":
                comments.trapping = True
            case "byte order":
                comments.order = _byte_order(rest)
            case "chaos":
                comments.chaos = bytes.fromhex(rest)
            case "inlining":
                comments.inlining = bytes.fromhex(rest)
            case "check":
                comments.checks.add(ExtraCheck(rest))
            case "configuration":
                comments.configurations.append(_read_configuration(rest))
            case other:
                comments.region.read(other, rest)
    except ValueError as error:
        raise HeaderError(f"line {comment.line}: {word.strip()}: {error}") from error


def _byte_order(word: str) -> ByteOrder:
    for order in BYTE_ORDERS:
        if word == order:
            return order
    raise ValueError(f"expected {' or '.join(BYTE_ORDERS)}")


def _read_configuration(text: str) -> Configuration:
    """Read what ``_configuration_parts`` writes.

    Raises:
        ValueError: it is malformed.
    """
    first, *parts = (part.split() for part in text.split("|"))
    if not all("=" in word for word in first):
        raise ValueError("expected settings, as opt_level=none")
    flags: dict[str, dict[str, str]] = {}
    chaos = inlining = b""
    for part in parts:
        match part:
            case ["chaos", digits]:
                chaos = bytes.fromhex(digits)
            case ["inlining", digits]:
                inlining = bytes.fromhex(digits)
            case [isa, *words]:
                flags[isa] = dict(_setting(word) for word in words)
            case _:
                raise ValueError("expected an ISA with flags, or chaos or inlining with bytes")
    settings = dict(_setting(word) for word in first)
    return Configuration(settings, flags, chaos, inlining)


def _setting(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    return name, value if equals else "true"


def _settings(header: FileHeader, targets: Iterable[TargetSpec]) -> dict[str, str]:
    """Return the shared settings of a case: of the file, if no target line is for an emulated ISA.

    A case has the same settings on all ISAs, those before the last of the lines that count. If the
    file does not give ``opt_level``, it is ``none``, as Cranelift's own tools read such a file.
    """
    settings = dict(header.settings)
    emulated = [target for target in targets if target.isa in ISAS]
    if emulated:
        settings = dict(max(emulated, key=lambda target: len(target.settings)).settings)
    return {"opt_level": "none"} | settings
