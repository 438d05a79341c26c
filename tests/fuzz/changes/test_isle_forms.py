"""ISLE's text as forms, by hand."""

import pytest

from fuzz.changes.isle_forms import RuleText, forms

TEXT = """\
;; A comment (with a parenthesis
(decl pure partial half (Type
                         u64) u64)
(extern constructor half half_of)

(rule half_of_sum 2 (lower (iadd $I8 x @ (half _) y))
      ; why it is so
      (if-let true (u64_lt x 5))
      (if (has_bmi1))
      (output x)) (; in (; several ;)
parentheses ;) (extractor (twice x) (and x (iadd x x)))
(rule
   -1 (lower z) z)
(type Flag (enum (On) (Off)))
(convert Value Reg put_in_reg)
(extern const $F32 Type)
(extern extractor infallible first_of first)
(rule (unfinished
"""


def test_forms_have_their_lines_and_words() -> None:
    found = forms(TEXT)
    assert [(form.kind, form.line, form.place, form.last) for form in found] == [
        ("decl", 2, 2, 3),
        ("extern", 4, 4, 4),
        ("rule", 6, 6, 10),
        ("extractor", 11, 11, 11),
        ("rule", 12, 13, 13),
        ("type", 14, 14, 14),
        ("convert", 15, 15, 15),
        ("extern", 16, 16, 16),
        ("extern", 17, 17, 17),
    ]
    assert " ".join(found[3].words) == "extractor ( twice x ) ( and x ( iadd x x ) )"


def test_forms_name_what_they_define() -> None:
    names = [form.name for form in forms(TEXT)]
    assert names == ["half", "half", "", "twice", "", "Flag", "put_in_reg", "F32", "first_of"]


def test_the_parts_of_a_rule() -> None:
    named, nameless = (RuleText.of(form) for form in forms(TEXT) if form.kind == "rule")
    assert (named.priority, named.term) == (2, "lower")
    assert " ".join(named.left) == "( lower ( iadd $I8 x @ ( half _ ) y ) )"
    assert {" ".join(condition) for condition in named.conditions} == {
        "( if-let true ( u64_lt x 5 ) )",
        "( if ( has_bmi1 ) )",
    }
    assert (nameless.priority, nameless.left, nameless.conditions) == (
        -1,
        ("(", "lower", "z", ")"),
        frozenset(),
    )


@pytest.mark.parametrize(
    "other",
    [
        "(rule (a x) (b x))",
        "(rule name (a x) (b x))",
        "(rule another\n  (a x) ; why\n (b x))",
        "(rule (a x) (; why ;) (b x))",
    ],
)
def test_names_comments_and_lines_mean_nothing(other: str) -> None:
    (form,) = forms(other)
    (plain,) = forms("(rule (a x) (b x))")
    assert form.meaning == plain.meaning


def test_a_priority_is_no_name() -> None:
    (one,), (two,) = forms("(rule 1 (a x) x)"), forms("(rule 2 (a x) x)")
    assert one.meaning != two.meaning
