"""One folder per ISA, with all that is one ISA's own; ``registry.py`` lists them."""
