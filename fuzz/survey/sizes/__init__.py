"""How large functions may be: shapes that grow with a size, compiled and run on each ISA."""
