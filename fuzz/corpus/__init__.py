"""Folders of case files: import from other CLIF, reduction by coverage, statistics."""
