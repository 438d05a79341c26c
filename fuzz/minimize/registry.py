"""All passes, in the order in which a round tries them: those that remove most come first."""

from __future__ import annotations

from typing import Final

from fuzz.minimize.addresses import fold_addresses
from fuzz.minimize.branch import branch_to_one_side
from fuzz.minimize.calls import call_plainly
from fuzz.minimize.cut import cut_short
from fuzz.minimize.delete import delete_instructions
from fuzz.minimize.details import plain_details, simplify_constants
from fuzz.minimize.drop_parameters import drop_parameters, forget_conventions
from fuzz.minimize.earlier_values import use_earlier_values
from fuzz.minimize.engine import Pass
from fuzz.minimize.inline import inline_calls
from fuzz.minimize.inputs import drop_inputs, simplify_inputs, simplify_region
from fuzz.minimize.narrow import narrow_types
from fuzz.minimize.operands import use_operands
from fuzz.minimize.promote import promote_callee
from fuzz.minimize.renumber import renumber
from fuzz.minimize.results import drop_results
from fuzz.minimize.settings import drop_settings
from fuzz.minimize.straighten import merge_blocks
from fuzz.minimize.values_to_parameters import replace_by_parameters

PASSES: Final = (
    Pass("inputs", drop_inputs),
    Pass("settings", drop_settings, chunks=True),
    Pass("callee as main", promote_callee),
    Pass("cut short", cut_short),
    Pass("results", drop_results),
    Pass("branches", branch_to_one_side),
    Pass("blocks", merge_blocks, chunks=True),
    Pass("addresses", fold_addresses, chunks=True),
    Pass("parameters for values", replace_by_parameters, chunks=True),
    Pass("instructions", delete_instructions, chunks=True),
    Pass("plain calls", call_plainly),
    Pass("inline", inline_calls),
    Pass("operands", use_operands),
    Pass("earlier values", use_earlier_values),
    Pass("unused parameters", drop_parameters),
    Pass("conventions", forget_conventions),
    Pass("details", plain_details),
    Pass("types", narrow_types),
    Pass("region", simplify_region),
    Pass("constants", simplify_constants),
    Pass("arguments", simplify_inputs),
    Pass("names", renumber),
)
