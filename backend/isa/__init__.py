"""The ISAs: a package for each, and the registry that lists them."""
