"""Findings and statistics for people."""
