"""The fragments of the rules that a change touches, for campaigns that are directed at the change.

They are more than those of other rules: beside the variants, which each rule has, there are as many
again of other constants and types as make sense while hardly any other rule has its turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fuzz.cases.touched_rules import TouchedRules
from fuzz.entropy import Entropy
from fuzz.isle.fragment_pool import FragmentPool, FragmentVariant
from fuzz.isle.rule_fragments import MORE_VARIANTS, RuleFragments

#: Of so many drawn fragments one is of any rule, so that what is near the change changes, too.
_ANY: Final = 8


class TouchedFragments:
    """The fragments of touched rules that a case may have.

    Attributes:
        changed: the rules that were changed.
        users: those that use something that was changed.

    Args:
        every: what to draw from where no touched rule can be had.
    """

    def __init__(self, every: FragmentPool, touched: TouchedRules) -> None:
        rules = {rule.rule_name: rule for rule in (*every.main, *every.rest)}
        # Users are many at times, and to find out which have fragments takes long.
        self.changed = [rule for rule in _in(rules, touched.changed) if rule.expressible]
        self.users = _in(rules, touched.users)
        self._every = every

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.changed or self.users)

    @property
    def rules(self) -> list[RuleFragments]:
        """All of them, in the order of a round."""
        return [*self.changed, *self.users]

    def round_robin(self, index: int) -> FragmentVariant:
        """Return the fragment with a round-robin index.

        Every second index is for the changed rules, all one after the other, then all of them with
        their next variant; the others are for their users.
        """
        rules = self.changed or self.users
        if self.changed and self.users:
            index, second = divmod(index, 2)
            rules = self.users if second else self.changed
        rounds, place = divmod(index, len(rules))
        return FragmentVariant(rules[place], rounds % MORE_VARIANTS)

    def draw(self, entropy: Entropy) -> FragmentVariant | None:
        """Draw a fragment, mostly of a touched rule."""
        if not self or entropy.below(_ANY) == 0:
            return self._every.draw(entropy)
        both = self.changed and self.users
        rules = self.users if not self.changed or (both and entropy.below(2)) else self.changed
        return FragmentVariant(entropy.choice(rules), entropy.below(MORE_VARIANTS))


def _in(rules: Mapping[str, RuleFragments], names: Sequence[str]) -> list[RuleFragments]:
    return [rules[name] for name in names if name in rules]
