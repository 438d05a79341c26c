"""Fuzz targets: programs for libFuzzer that check one property each, guided by coverage."""
