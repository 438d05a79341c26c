"""Many cases: workers, what they count, what is saved, and going on after a stop."""
