"""Diffs are read, and Rust functions found, by hand."""

from fuzz.changes.diff import changed_files
from fuzz.changes.rust_functions import changed_functions, code_lines

DIFF = """\
diff --git a/src/a.isle b/src/a.isle
index 1234567..89abcde 100644
--- a/src/a.isle
+++ b/src/a.isle
@@ -3 +3,2 @@ (rule (x)
-old
+new
+--- no header
@@ -10,2 +11,0 @@
--- a comment that was removed
-gone
diff --git a/new file.rs b/new file.rs
new file mode 100644
--- /dev/null
+++ b/new file.rs\t
@@ -0,0 +1,3 @@
+one
+two
+three
\\ No newline at end of file
diff --git a/gone.rs b/gone.rs
deleted file mode 100644
--- a/gone.rs
+++ /dev/null
@@ -1 +0,0 @@
-one
"""


def test_a_diff_says_which_lines_are_new() -> None:
    found = changed_files(DIFF)
    assert [(file.old, file.new, file.lines) for file in found] == [
        ("src/a.isle", "src/a.isle", [3, 4, 11]),
        (None, "new file.rs", [1, 2, 3]),
        ("gone.rs", None, [0]),
    ]


RUST = """\
use std::fmt;
macro_rules! methods {
    () => {
        #[inline]
        fn first(&mut self) -> bool {
            // a comment

            true
        }
        pub(crate) fn second(&self) -> u32 {
            fn inner() -> u32 {
                4
            }
            inner()
        }
    };
}
const LIMIT: u32 = 5;
unsafe extern "C" fn third() {}
"""


def test_lines_belong_to_the_innermost_function() -> None:
    assert changed_functions(RUST, [8]) == {"first"}
    assert changed_functions(RUST, [12]) == {"inner"}
    assert changed_functions(RUST, [14, 19]) == {"second", "third"}
    assert changed_functions(RUST, [1, 2, 18]) == set()


def test_comments_and_blank_lines_are_no_code() -> None:
    assert code_lines(RUST, range(20)) == [n for n in range(1, 20) if n not in (6, 7)]
    assert changed_functions(RUST, [6, 7]) == set()
