"""Collects the data of campaigns and findings that the package ``reports`` turns into pages."""
